import type { UseMutationResult } from "@tanstack/react-query";
import { useMutation } from "@tanstack/react-query";
import { post } from "@/api/client";
import { Icon } from "@/parts/Icon";
import { PermittedButton } from "@/parts/PermittedButton";
import { Failure } from "@/states/States";
import { Name } from "@/text/SafeText";

export type Examination = UseMutationResult<Found, Error, void>;
type Found = Awaited<ReturnType<typeof examine>>;

const examine = () => post("/api/examination");

/** Asks every endpoint whether it answers, when somebody wants to know: showing the page calls nobody. */
export function useExamination(): Examination {
  return useMutation({ mutationFn: examine });
}

export function ExamineButton({ examination }: { examination: Examination }) {
  return (
    <PermittedButton
      needs="operate"
      className="button"
      title="The server asks each endpoint for its list of models, with its own key"
      disabled={examination.isPending}
      onClick={() => examination.mutate()}
    >
      <Icon name="again" />
      {examination.isPending ? "Testing…" : "Test connections"}
    </PermittedButton>
  );
}

export function Findings({ examination }: { examination: Examination }) {
  return (
    <>
      <div role="status" className="examination">
        {examination.data && (
          <ul aria-label="What the test found">
            {examination.data.findings.map((each) => (
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
      {examination.error && <Failure error={examination.error} onRetry={() => examination.mutate()} />}
    </>
  );
}
