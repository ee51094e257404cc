import type { UseMutationResult } from "@tanstack/react-query";
import { useMutation } from "@tanstack/react-query";
import { post } from "@/api/client";
import { duration } from "@/format/times";
import { Icon } from "@/parts/Icon";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";
import { visibleText } from "@/text/visible";

export type Examination = UseMutationResult<Found, Error, void>;
type Found = Awaited<ReturnType<typeof examine>>;
type Props = { examination: Examination; endpoint?: string };

const examine = (endpoint: string | undefined) => post("/api/examination", { query: { endpoint } });

/** Asks every endpoint whether it answers, or one, when somebody wants to know: showing the page calls nobody. */
export function useExamination(endpoint?: string): Examination {
  return useMutation({ mutationFn: () => examine(endpoint) });
}

export function ExamineButton({ examination, endpoint }: Props) {
  const words = endpoint === undefined ? "Test connections" : "Test connection";
  return (
    <PermittedButton
      needs="operate"
      className={endpoint === undefined ? "button" : "button slim"}
      title="The server asks for the list of models, with its own key"
      aria-label={endpoint && `Test connection to ${visibleText(endpoint)}`}
      disabled={examination.isPending}
      onClick={() => examination.mutate()}
    >
      <Icon name="again" />
      {examination.isPending ? "Testing…" : words}
    </PermittedButton>
  );
}

export function Findings({ examination, endpoint }: Props) {
  const what = endpoint === undefined ? "the test" : `the test of ${visibleText(endpoint)}`;
  return (
    <>
      <div role="status" className="examination">
        {examination.data && (
          <ul aria-label={`What ${what} found`}>
            {examination.data.findings.map((each) => (
              <li key={each.text}>
                <Icon name={each.is_problem ? "error" : "pass"} className={each.is_problem ? "error" : ""} />
                <span className="hidden-text">{each.is_problem ? "needs attention: " : "in order: "}</span>
                <span>
                  <Name text={each.text} />
                </span>
                {each.took_ms != null && (
                  <span className="second nowrap took">{duration(each.took_ms / 1000)}</span>
                )}
              </li>
            ))}
          </ul>
        )}
      </div>
      {examination.error && <Failure error={examination.error} onRetry={() => examination.mutate()} />}
    </>
  );
}
