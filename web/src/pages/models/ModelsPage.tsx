import { useQuery } from "@tanstack/react-query";
import { modelsQuery } from "@/api/modelQueries";
import { counted } from "@/format/numbers";
import { Page, PageHead } from "@/layout/Page";
import { Failure, Notice, Skeleton } from "@/states/States";
import { Name } from "@/text/SafeText";
import { EndpointSection } from "./EndpointSection";
import { ExamineButton, Findings, useExamination } from "./Examination";
import { NoEndpoints } from "./NoEndpoints";

/** The endpoints that models are asked at: whether they answer, their limits, their names and prices. */
export function ModelsPage() {
  const models = useQuery(modelsQuery);
  const examination = useExamination();
  const endpoints = models.data?.data ?? [];
  // The endpoint that answers by rules is always there.
  const isNew = models.data?.source === "";
  return (
    <Page crumbs={[{ name: "Models" }]}>
      <PageHead
        title="Models"
        facts={
          endpoints.length > 0 && (
            <>
              <span>{counted(endpoints.length, "endpoint")}</span>
              {!isNew && (
                <span>
                  configured in{" "}
                  <span className="mono">
                    <Name text={models.data?.source ?? ""} />
                  </span>
                </span>
              )}
            </>
          )
        }
        actions={endpoints.length > 0 && <ExamineButton examination={examination} />}
      />
      {models.error && (
        <Failure
          error={models.error}
          onRetry={models.refetch}
          staleSince={models.data && models.dataUpdatedAt}
        />
      )}
      {models.isPending && <Skeleton />}
      {models.data?.notes.map((note) => (
        <Notice key={note}>
          <Name text={note} />
        </Notice>
      ))}
      {isNew && <NoEndpoints />}
      <Findings examination={examination} />
      {endpoints.map((each) => (
        <EndpointSection key={each.name} endpoint={each} />
      ))}
    </Page>
  );
}
