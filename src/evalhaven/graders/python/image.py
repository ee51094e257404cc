"""What the hosted graders could import: the images by their tag.

Source: the hosted guide to graders, "Available packages"; image 2025-05-08.
"""

from dataclasses import dataclass, field

DEFAULT_IMAGE = "2025-05-08"


@dataclass(frozen=True, slots=True)
class Image:
    """The libraries of one hosted image.

    Attributes:
        packages: Version by name of distribution.
        modules: Name of the module, where it is not that of the distribution.
        corpora: Data of NLTK, as paths below a directory of NLTK_DATA.
    """

    packages: dict[str, str]
    modules: dict[str, str] = field(default_factory=dict[str, str])
    corpora: tuple[str, ...] = ()


IMAGES = {
    DEFAULT_IMAGE: Image(
        packages={
            "numpy": "2.2.4",
            "scipy": "1.15.2",
            "sympy": "1.13.3",
            "pandas": "2.2.3",
            "rapidfuzz": "3.10.1",
            "scikit-learn": "1.6.1",
            "rouge-score": "0.1.2",
            "deepdiff": "8.4.2",
            "jsonschema": "4.23.0",
            "pydantic": "2.10.6",
            "pyyaml": "6.0.2",
            "nltk": "3.9.1",
            "sqlparse": "0.5.3",
            "rdkit": "2024.9.6",
            "scikit-bio": "0.6.3",
            "ast-grep-py": "0.36.2",
        },
        modules={
            "scikit-learn": "sklearn",
            "rouge-score": "rouge_score",
            "pyyaml": "yaml",
            "scikit-bio": "skbio",
            "ast-grep-py": "ast_grep_py",
        },
        corpora=("tokenizers/punkt", "corpora/stopwords", "corpora/wordnet", "corpora/omw-1.4", "corpora/names"),
    )
}
