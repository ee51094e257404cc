import { useMutation } from "@tanstack/react-query";
import { post } from "@/api/client";
import { Icon } from "@/parts/Icon";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";

/** Asks every endpoint whether it answers, when somebody wants to know: showing the page calls nobody. */
export function Examination() {
  const test = useMutation({ mutationFn: () => post("/api/examination") });
  return (
    <div className="examination">
      <p>
        <button type="button" className="button" disabled={test.isPending} onClick={() => test.mutate()}>
          <Icon name="again" />
          {test.isPending ? "Testing…" : "Test connections"}
        </button>{" "}
        <span className="second">
          The server asks each endpoint for its list of models, with its own key.
        </span>
      </p>
      <div role="status">
        {test.data && (
          <ul aria-label="What the test found">
            {test.data.findings.map((each) => (
              <li key={each.text}>
                <Icon name={each.is_problem ? "error" : "pass"} className={each.is_problem ? "error" : ""} />
                <span className="hidden-text">{each.is_problem ? "needs attention: " : "in order: "}</span>
                <span>
                  <Name text={each.text} />
                </span>
              </li>
            ))}
          </ul>
        )}
      </div>
      {test.error && <Failure error={test.error} onRetry={() => test.mutate()} />}
    </div>
  );
}
