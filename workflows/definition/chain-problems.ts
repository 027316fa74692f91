import { cronProblem } from './cron-problem.js';
import { templateFields } from './chain-fields.js';
import {
  isPaletteStep,
  stepsOf,
  type ChainDocument,
  type ChainStep,
  type PaletteStep,
  type PlainKind,
  type StepOf,
} from './chain.js';
import { fieldProblems } from './fields.js';
import { schemaProblem } from './json-schema.js';
import type { CompileContext } from './graph-context.js';
import { configFindings, type Configured, type Found } from './graph-references.js';

export { cronProblem } from './cron-problem.js';

/** What stands between a chain and going live, with the sentence that says how to mend it. */
export interface Problem {
  readonly code: string;
  /** Dotted path in the document. */
  readonly field: string;
  readonly message: string;
}

export interface ChainRules {
  /** Why an address may not be called, or null. */
  readonly urlProblem: (url: string) => string | null;
  /** Where these are known, steps that name a tool or another definition are checked as well. */
  readonly references?: Omit<CompileContext, 'urlProblem'>;
}

export function chainProblems(document: ChainDocument, rules: ChainRules): readonly Problem[] {
  const steps = stepsOf(document);
  return [
    ...(document.primary_steps.length === 0
      ? [{ code: 'no_steps', field: 'primary_steps', message: 'Add at least one step.' }]
      : []),
    ...steps.flatMap(({ path, step }) => [...labelProblems(path, step), ...configProblems(path, step, rules)]),
    ...branchProblems(document),
    ...schemaProblems(document),
  ];
}

function schemaProblems(document: ChainDocument): readonly Problem[] {
  return (['input_schema', 'output_schema'] as const).flatMap((name) => {
    const schema = document[name];
    const problem = schema === undefined ? null : schemaProblem(schema);
    if (problem === null) return [];
    const message = `Mend the schema: it ${problem.message}.`;
    return [{ code: 'bad_schema', field: [name, ...problem.path].join('.'), message }];
  });
}

function labelProblems(path: string, step: ChainStep): readonly Problem[] {
  if (step.label.trim() !== '') return [];
  return [{ code: 'missing_label', field: `${path}.label`, message: `Give this ${step.kind} step a label.` }];
}

type Check<K extends PlainKind> = (path: string, step: StepOf<K>, rules: ChainRules) => readonly Problem[];

const checks: { readonly [K in PlainKind]?: Check<K> } = {
  webhook: webhookProblems,
  notify: notifyProblems,
  schedule: scheduleProblems,
};

function configProblems(path: string, step: ChainStep, rules: ChainRules): readonly Problem[] {
  if (isPaletteStep(step)) return paletteProblems(path, step, rules);
  // -- reason: the record holds for each kind the function of that kind; the compiler cannot relate the two
  const check = checks[step.kind] as Check<PlainKind> | undefined;
  return [...(check?.(path, step, rules) ?? []), ...templateFindings(step).map(inStep(path))];
}

const inStep =
  (path: string) =>
  ({ code, message, path: inner }: Found): Problem => ({
    code,
    field: [path, 'config', ...inner].join('.'),
    message,
  });

const nothingKnown = { id: null, tools: new Set<string>(), definitions: new Map() };
const outside = new Set(['unknown_tool', 'unknown_definition', 'not_published']);

/** The palette's own checks; what may be a mistake only is left to the author. */
function paletteProblems(path: string, step: PaletteStep, { urlProblem, references }: ChainRules): readonly Problem[] {
  const context = { ...(references ?? nothingKnown), urlProblem };
  // -- reason: kind and config come from one step; the compiler cannot relate the two
  const configured = { type: step.kind, config: step.config } as Configured;
  return configFindings(configured, context)
    .filter(({ severity, code }) => severity !== 'warning' && (references !== undefined || !outside.has(code)))
    .map(inStep(path));
}

function templateFindings(step: StepOf<PlainKind>): readonly Found[] {
  return templateFields(step)
    .flatMap(fieldProblems)
    .filter(({ severity }) => severity === 'blocker');
}

function webhookProblems(path: string, { config }: StepOf<'webhook'>, rules: ChainRules): readonly Problem[] {
  if (config.url !== undefined) return addressProblems(`${path}.config.url`, config.url, rules);
  if (config.secret !== undefined && config.secret !== '') return [];
  const message = 'Set config.url for an outbound webhook, or config.secret to verify an inbound one.';
  return [{ code: 'webhook_incomplete', field: `${path}.config.secret`, message }];
}

function notifyProblems(path: string, { config }: StepOf<'notify'>, rules: ChainRules): readonly Problem[] {
  const { channel, to } = config;
  if (channel === undefined || channel === 'log') return [];
  if (to === undefined || to === '') {
    return [
      {
        code: 'notify_incomplete',
        field: `${path}.config.to`,
        message: `Say where to send it: config.to is needed for ${channel}.`,
      },
    ];
  }
  return channel === 'webhook' ? addressProblems(`${path}.config.to`, to, rules) : [];
}

/** A templated address is checked when it is called. */
function addressProblems(field: string, url: string, rules: ChainRules): readonly Problem[] {
  if (/\{[{%]/.test(url)) return [];
  const message = rules.urlProblem(url);
  return message === null ? [] : [{ code: 'unsafe_url', field, message }];
}

function scheduleProblems(path: string, { config }: StepOf<'schedule'>): readonly Problem[] {
  const { cron, delay_seconds: seconds, timezone = 'UTC' } = config;
  if ((cron === undefined) === (seconds === undefined)) {
    const message = 'Set either config.cron or config.delay_seconds.';
    return [{ code: 'schedule_incomplete', field: `${path}.config`, message }];
  }
  const problem = cron === undefined ? null : cronProblem(cron, timezone);
  return problem === null
    ? []
    : [{ code: 'bad_schedule', field: `${path}.config.${problem.key}`, message: problem.message }];
}

function branchProblems({ primary_steps: steps, branches }: ChainDocument): readonly Problem[] {
  const names = branches.map((branch) => branch.name.trim().toLowerCase());
  const problems = branches.flatMap((branch, index) => branchProblemsOf({ index, names, branch }));
  const decides = steps.map((step, index) => ({ step, index })).filter(({ step }) => step.kind === 'decide');
  if (branches.length > 0 && decides.length === 0) {
    problems.push({
      code: 'branch_unused',
      field: 'branches',
      message: 'Add a decide step, or no branch is ever taken.',
    });
  }
  for (const { step, index } of decides) problems.push(...decideProblems(`primary_steps.${index}`, step, branches));
  return problems;
}

function branchProblemsOf({
  index,
  names,
  branch,
}: {
  readonly index: number;
  readonly names: readonly string[];
  readonly branch: ChainDocument['branches'][number];
}): Problem[] {
  const name = names[index] ?? '';
  const field = `branches.${index}`;
  const problems: Problem[] = [];
  if (name === '')
    problems.push({ code: 'branch_unnamed', field: `${field}.name`, message: 'Give this branch a name.' });
  else if (names.indexOf(name) !== index) {
    problems.push({
      code: 'branch_twice',
      field: `${field}.name`,
      message: `Another branch is called "${branch.name}".`,
    });
  }
  if (branch.steps.length === 0) {
    problems.push({
      code: 'branch_empty',
      field: `${field}.steps`,
      message: 'Add a step to this branch or remove it.',
    });
  }
  for (const [at, step] of branch.steps.entries()) {
    if (step.kind !== 'decide') continue;
    const message = 'A branch cannot decide again: move this decide step to primary_steps.';
    problems.push({ code: 'decide_in_branch', field: `${field}.steps.${at}`, message });
  }
  return problems;
}

function decideProblems(path: string, step: ChainStep, branches: ChainDocument['branches']): readonly Problem[] {
  if (step.kind !== 'decide') return [];
  const field = `${path}.config.branches`;
  if (branches.length === 0) {
    return [{ code: 'no_branches', field: 'branches', message: 'A decide step needs at least one branch.' }];
  }
  const unknown = (step.config.branches ?? []).filter((name) => !branches.some((branch) => branch.name === name));
  return unknown.map((name) => ({ code: 'unknown_branch', field, message: `There is no branch called "${name}".` }));
}
