/** The wire's types under the names that pages use. They are made from the server's own documents: `make types`. */
import type { components as Contract } from "@schemas/contract";
import type { components as Extension } from "@schemas/extension";

type FromContract = Contract["schemas"];
type FromExtension = Extension["schemas"];

export type Eval = FromContract["Eval"];
export type EvalRun = FromContract["EvalRun"];
export type RunStatus = EvalRun["status"];
export type Report = FromExtension["RunReport"];
export type Rate = FromExtension["ReportRate"];
export type ReportCriterion = FromExtension["ReportCriterion"];
export type ReportBreakdown = FromExtension["ReportBreakdown"];
export type Comparison = FromExtension["Comparison"];
export type RunComparison = FromExtension["RunComparison"];
export type ComparedCriterion = FromExtension["ComparedCriterion"];
export type ComparedRun = FromExtension["ComparedRun"];
export type ComparedCounts = FromExtension["ComparedCounts"];
export type ComparedItem = FromExtension["ComparedItem"];
export type ComparedSample = FromExtension["ComparedSample"];
export type Difference = FromExtension["Difference"];
export type ServerSettings = FromExtension["ServerSettings"];
export type RunById = FromExtension["EvalRunById"];
export type EvalOverview = FromExtension["EvalOverview"];
export type RunOverview = FromExtension["RunOverview"];
export type RunPoint = FromExtension["RunPoint"];
export type RunProgress = FromExtension["RunProgress"];
export type ItemRow = FromExtension["ItemRow"];
export type ItemRowList = FromExtension["ItemRowList"];
export type ItemResult = FromExtension["ItemResult"];
export type ItemPlace = FromExtension["ItemPlace"];
export type FileOverview = FromExtension["FileOverview"];
export type LogStatus = FromExtension["LogStatus"];
export type LoggedCall = FromExtension["LoggedCallDetail"];
export type LoggedCallRow = FromExtension["LoggedCallRow"];
export type OutputItem = FromContract["EvalRunOutputItem"];
export type OutputItemResult = FromContract["EvalRunOutputItemResult"];
