import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from "@tanstack/react-router";
import { PREFIX } from "@/api/place";
import { Shell } from "@/layout/Shell";
import { auditSearch } from "@/pages/audit/search";
import { Crash } from "@/pages/Crash";
import { compareSearch } from "@/pages/compare/search";
import { evalSearch } from "@/pages/eval/search";
import { evalsSearch } from "@/pages/evals/search";
import { filesSearch } from "@/pages/files/search";
import { itemsFilter, itemsSearch } from "@/pages/items/search";
import { loginSearch } from "@/pages/login/search";
import { logsFilter, logsSearch } from "@/pages/logs/search";
import { NotFound } from "@/pages/NotFound";
import { runSearch } from "@/pages/run/search";
import { runsSearch } from "@/pages/runs/search";

/** Every address below `/ui`. A page is loaded when it is first opened; its search parameters are typed beside it. */
const root = createRootRoute({ component: Shell, notFoundComponent: NotFound });

const home = createRoute({
  getParentRoute: () => root,
  path: "/",
  beforeLoad: () => {
    throw redirect({ to: "/evals", replace: true });
  },
});

const evals = createRoute({
  getParentRoute: () => root,
  path: "/evals",
  validateSearch: evalsSearch,
  component: lazyRouteComponent(() => import("@/pages/evals/EvalsPage"), "EvalsPage"),
});

const compare = createRoute({
  getParentRoute: () => root,
  path: "/compare",
  validateSearch: compareSearch,
  component: lazyRouteComponent(() => import("@/pages/compare/ComparePage"), "ComparePage"),
});

const files = createRoute({
  getParentRoute: () => root,
  path: "/files",
  validateSearch: filesSearch,
  component: lazyRouteComponent(() => import("@/pages/files/FilesPage"), "FilesPage"),
});

const file = createRoute({
  getParentRoute: () => root,
  path: "/files/$fileId",
  component: lazyRouteComponent(() => import("@/pages/files/FilePage"), "FilePage"),
});

const models = createRoute({
  getParentRoute: () => root,
  path: "/models",
  component: lazyRouteComponent(() => import("@/pages/models/ModelsPage"), "ModelsPage"),
});

const workers = createRoute({
  getParentRoute: () => root,
  path: "/workers",
  component: lazyRouteComponent(() => import("@/pages/workers/WorkersPage"), "WorkersPage"),
});

const webhooks = createRoute({
  getParentRoute: () => root,
  path: "/webhooks",
  component: lazyRouteComponent(() => import("@/pages/webhooks/WebhooksPage"), "WebhooksPage"),
});

const webhook = createRoute({
  getParentRoute: () => root,
  path: "/webhooks/$webhookId",
  component: lazyRouteComponent(() => import("@/pages/webhooks/WebhookPage"), "WebhookPage"),
});

const evalPages = createRoute({
  getParentRoute: () => root,
  path: "/evals/$evalId",
  component: lazyRouteComponent(() => import("@/pages/eval/EvalLayout"), "EvalLayout"),
});

const evalRuns = createRoute({
  getParentRoute: () => evalPages,
  path: "/",
  validateSearch: evalSearch,
  component: lazyRouteComponent(() => import("@/pages/eval/RunsPage"), "RunsPage"),
});

const evalDefinition = createRoute({
  getParentRoute: () => evalPages,
  path: "/definition",
  component: lazyRouteComponent(() => import("@/pages/eval/DefinitionPage"), "DefinitionPage"),
});

const allRuns = createRoute({
  getParentRoute: () => root,
  path: "/runs",
  validateSearch: runsSearch,
  component: lazyRouteComponent(() => import("@/pages/runs/AllRunsPage"), "AllRunsPage"),
});

const logs = createRoute({
  getParentRoute: () => root,
  path: "/logs",
  validateSearch: logsSearch,
  component: lazyRouteComponent(() => import("@/pages/logs/LogsPage"), "LogsPage"),
});

const retention = createRoute({
  getParentRoute: () => root,
  path: "/logs/retention",
  component: lazyRouteComponent(() => import("@/pages/retention/RetentionPage"), "RetentionPage"),
});

const keys = createRoute({
  getParentRoute: () => root,
  path: "/keys",
  component: lazyRouteComponent(() => import("@/pages/keys/KeysPage"), "KeysPage"),
});

const projects = createRoute({
  getParentRoute: () => root,
  path: "/projects",
  component: lazyRouteComponent(() => import("@/pages/projects/ProjectsPage"), "ProjectsPage"),
});

const limits = createRoute({
  getParentRoute: () => root,
  path: "/limits",
  component: lazyRouteComponent(() => import("@/pages/limits/LimitsPage"), "LimitsPage"),
});

const audit = createRoute({
  getParentRoute: () => root,
  path: "/audit",
  validateSearch: auditSearch,
  component: lazyRouteComponent(() => import("@/pages/audit/AuditPage"), "AuditPage"),
});

const call = createRoute({
  getParentRoute: () => root,
  path: "/logs/$callId",
  validateSearch: logsFilter,
  component: lazyRouteComponent(() => import("@/pages/logs/CallPage"), "CallPage"),
});

const run = createRoute({
  getParentRoute: () => root,
  path: "/evals/$evalId/runs/$runId",
  component: lazyRouteComponent(() => import("@/pages/run/RunLayout"), "RunLayout"),
});

const report = createRoute({
  getParentRoute: () => run,
  path: "/",
  validateSearch: runSearch,
  component: lazyRouteComponent(() => import("@/pages/run/ReportPage"), "ReportPage"),
});

const items = createRoute({
  getParentRoute: () => run,
  path: "/items",
  validateSearch: itemsSearch,
  component: lazyRouteComponent(() => import("@/pages/items/ItemsPage"), "ItemsPage"),
});

const configuration = createRoute({
  getParentRoute: () => run,
  path: "/configuration",
  component: lazyRouteComponent(() => import("@/pages/configuration/ConfigurationPage"), "ConfigurationPage"),
});

const events = createRoute({
  getParentRoute: () => run,
  path: "/events",
  component: lazyRouteComponent(() => import("@/pages/events/EventsPage"), "EventsPage"),
});

const item = createRoute({
  getParentRoute: () => root,
  path: "/evals/$evalId/runs/$runId/items/$itemId",
  validateSearch: itemsFilter,
  component: lazyRouteComponent(() => import("@/pages/item/ItemPage"), "ItemPage"),
});

const members = createRoute({
  getParentRoute: () => root,
  path: "/members",
  component: lazyRouteComponent(() => import("@/pages/members/MembersPage"), "MembersPage"),
});

const login = createRoute({
  getParentRoute: () => root,
  path: "/login",
  validateSearch: loginSearch,
  component: lazyRouteComponent(() => import("@/pages/login/LoggedInPage"), "LoggedInPage"),
});

export const router = createRouter({
  routeTree: root.addChildren([
    home,
    evals,
    allRuns,
    compare,
    files,
    file,
    logs,
    retention,
    call,
    models,
    workers,
    members,
    login,
    webhooks,
    webhook,
    keys,
    projects,
    limits,
    audit,
    evalPages.addChildren([evalRuns, evalDefinition]),
    run.addChildren([report, items, configuration, events]),
    item,
  ]),
  basepath: `${PREFIX}/ui`,
  defaultPreload: "intent",
  defaultErrorComponent: Crash,
  scrollRestoration: true,
  trailingSlash: "never",
});

declare module "@tanstack/react-router" {
  interface Register {
    router: typeof router;
  }
}
