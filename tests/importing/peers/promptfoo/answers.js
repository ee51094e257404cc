// A model that knows three capitals, for promptfoo; the judge says yes to what mentions a capital.
class Answers {
  constructor(options) { this.providerId = options.id || 'answers'; this.config = options.config || {}; }
  id() { return 'answers'; }
  async callApi(prompt) {
    const usage = { total: 12, prompt: 9, completion: 3 };
    if (prompt.includes('Atlantis')) return { error: 'no such country' };
    if (this.config.judge) {
      const pass = /Paris|Madrid|Lisbon/.test(prompt);
      return { output: JSON.stringify({ reason: pass ? 'It names a capital.' : 'It names none.', pass, score: pass ? 1 : 0 }), tokenUsage: usage };
    }
    const said = prompt.includes('France') ? 'Paris' : prompt.includes('Spain') ? 'It is madrid.' : 'I do not know';
    return { output: prompt.startsWith('Name') ? `The answer: ${said}` : said, tokenUsage: usage, cost: 0.001 };
  }
}
module.exports = Answers;
