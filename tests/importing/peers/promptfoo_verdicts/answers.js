// A model for promptfoo that says other things to messages than to a text.
const SAID = {
  France: ['Paris', 'The capital of France is Paris.'],
  Spain: ['madrid!', 'It is MADRID'],
  Portugal: ['I do not know', 'Perhaps Porto'],
  Italy: ['Rome, I think', 'That would be Rome'],
};
module.exports = class {
  id() { return 'answers'; }
  async callApi(prompt) {
    const country = Object.keys(SAID).find((name) => prompt.includes(name));
    return { output: SAID[country][prompt.startsWith('[') ? 1 : 0] };
  }
};
