import { useQuery } from "@tanstack/react-query";
import { Link, useNavigate, useParams } from "@tanstack/react-router";
import { contentOf, fileOverviewQuery, fileQuery } from "@/api/fileQueries";
import type { FileOverview } from "@/api/types";
import { bytes, count, counted } from "@/format/numbers";
import { ago, moment } from "@/format/times";
import { statusWord } from "@/format/words";
import { useShortcut } from "@/keyboard/shortcuts";
import { Page, PageHead, Section } from "@/layout/Page";
import { CopyButton, CopyLink } from "@/parts/CopyButton";
import { Icon } from "@/parts/Icon";
import { Failure, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { DeleteFile } from "./DeleteFile";
import { Preview } from "./Preview";

/** A file: what reads it, and its first rows. */
export function FilePage() {
  const { fileId } = useParams({ from: "/files/$fileId" });
  const navigate = useNavigate();
  const file = useQuery(fileQuery(fileId));
  const overview = useQuery({ ...fileOverviewQuery(fileId), enabled: file.data !== undefined });
  useShortcut("Escape", "back to the files", () => navigate({ to: "/files" }));
  const name = file.data?.filename || fileId;
  const rows = overview.data?.rows ?? null;
  return (
    <Page crumbs={[{ name: "Files", to: "/files" }, { name }]} printed={fileId}>
      <PageHead
        title={name}
        facts={
          file.data && (
            <>
              <span>{bytes(file.data.bytes)}</span>
              {rows !== null && <span>{counted(rows, "row")}</span>}
              <span>
                for <Name text={file.data.purpose} />
              </span>
              <span>uploaded {moment(file.data.created_at)}</span>
              {file.data.expires_at != null && <span>expires {moment(file.data.expires_at)}</span>}
              <span className="mono">
                {fileId} <CopyButton text={fileId} label="Copy file id" />
              </span>
            </>
          )
        }
        actions={
          file.data && (
            <>
              <CopyLink />
              {/* The browser makes of the name what a file can be called. */}
              <a className="button" href={contentOf(fileId)} download={file.data.filename}>
                <Icon name="download" />
                Download
              </a>
              <DeleteFile fileId={fileId} name={name} runs={overview.data?.runs ?? 0} />
            </>
          )
        }
      />
      {file.error && <Failure error={file.error} onRetry={file.refetch} />}
      {file.isPending && <Skeleton />}
      {overview.data && <Readers file={overview.data} />}
      {file.data && <Preview fileId={fileId} />}
    </Page>
  );
}

function Readers({ file }: { file: FileOverview }) {
  const more = file.runs - file.used_by.length;
  return (
    <Section id="readers" title="Read by" aside={counted(file.runs, "run")}>
      {file.runs === 0 && (
        <p className="second">
          No run yet. A run reads it with <code>{`"source": {"type": "file_id", "id": "${file.id}"}`}</code>.
        </p>
      )}
      <ul className="readers">
        {file.used_by.map((run) => (
          <li key={run.run_id}>
            <Link to="/evals/$evalId/runs/$runId" params={{ evalId: run.eval_id, runId: run.run_id }}>
              <Name text={run.run_name || run.run_id} />
            </Link>
            <span className="second">
              {" "}
              of <Name text={run.eval_name || run.eval_id} />, {statusWord(run.status).toLowerCase()},{" "}
              {ago(run.created_at)}
            </span>
          </li>
        ))}
        {more > 0 && <li className="second">and {count(more)} older ones</li>}
      </ul>
    </Section>
  );
}
