import { useQuery } from "@tanstack/react-query";
import type { ServerSettings } from "@/api/types";
import { settingsQuery } from "@/api/workerQueries";
import { Snippet } from "@/states/Snippet";
import { Empty } from "@/states/States";

/** How to start a worker, with the directories of this very server. */
export function NoWorkers() {
  const settings = useQuery(settingsQuery);
  return (
    <Empty title="No worker is at work" snippet={settings.data && <Snippet codes={codes(settings.data)} />}>
      <p>
        Runs wait until one is. Start as many as you like, on this machine or on others: each needs the
        server’s database, its files and the same endpoints of models. It appears here by itself.
      </p>
    </Empty>
  );
}

const DATABASE = "export EVALHAVEN_DATABASE_URL=postgresql://user:password@host:5432/name";

function codes(settings: ServerSettings): Record<string, string> {
  const value = (name: string) => settings.settings.find((each) => each.name === name)?.value ?? null;
  const files = value("EVALHAVEN_SHARED_DIR") ?? value("EVALHAVEN_DATA_DIR");
  const config = value("EVALHAVEN_CONFIG");
  const more = config === null ? "" : ` --config '${config}'`;
  return {
    "This machine": `${DATABASE}
evalhaven worker --data-dir '${files}'${more}`,
    "Another machine": `# The directory ${files}, mounted from the server's machine
export EVALHAVEN_SHARED_DIR=/mnt/evalhaven
${DATABASE}
evalhaven worker --config evalhaven.toml`,
  };
}
