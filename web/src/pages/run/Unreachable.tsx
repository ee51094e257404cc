import { counted } from "@/format/numbers";
import { clock } from "@/format/times";
import { Icon } from "@/parts/Icon";
import { Name } from "@/text/SafeText";
import { type Flow, flowsOf } from "./limiter";

/** Which endpoints cannot be reached at the moment; nothing counts as an error before the run gives up. */
export function Unreachable({ limiter, left }: { limiter: unknown; left: number | null }) {
  const out = flowsOf(limiter).filter(
    (flow): flow is Flow & { unreachable: NonNullable<Flow["unreachable"]> } => !!flow.unreachable,
  );
  return out.map((flow) => (
    <div key={`${flow.endpoint}${flow.model}`} className="notice error" role="alert">
      <Icon name="error" className="error" />
      <div>
        <b>
          <Name
            text={`${flow.endpoint ?? "The endpoint"} cannot be reached since ${clock(flow.unreachable.since)}.`}
          />
        </b>
        <div className="second">
          <Name text={flow.unreachable.reason} />. {left !== null && `${counted(left, "item")} to come; `}none
          of those that wait is counted as an error.
        </div>
      </div>
    </div>
  ));
}
