import { Cron } from 'croner';
import { stepsOf, type ChainDocument, type ChainStep, type StepOf } from './chain.js';

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
}

export function chainProblems(document: ChainDocument, rules: ChainRules): readonly Problem[] {
  const steps = stepsOf(document);
  return [
    ...(document.primary_steps.length === 0
      ? [{ code: 'no_steps', field: 'primary_steps', message: 'Add at least one step.' }]
      : []),
    ...steps.flatMap(({ path, step }) => [...labelProblems(path, step), ...configProblems(path, step, rules)]),
    ...branchProblems(document),
  ];
}

function labelProblems(path: string, step: ChainStep): readonly Problem[] {
  if (step.label.trim() !== '') return [];
  return [{ code: 'missing_label', field: `${path}.label`, message: `Give this ${step.kind} step a label.` }];
}

function configProblems(path: string, step: ChainStep, rules: ChainRules): readonly Problem[] {
  switch (step.kind) {
    case 'webhook':
      return webhookProblems(path, step, rules);
    case 'notify':
      return notifyProblems(path, step, rules);
    case 'schedule':
      return scheduleProblems(path, step);
    case 'trigger':
    case 'assistant':
    case 'agent':
    case 'decide':
    case 'human':
      return [];
  }
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

/** Whether five fields and an IANA zone make a time that comes. */
export function cronProblem(
  cron: string,
  timezone: string,
): { readonly key: 'cron' | 'timezone'; readonly message: string } | null {
  try {
    new Intl.DateTimeFormat('en', { timeZone: timezone });
  } catch {
    return { key: 'timezone', message: `"${timezone}" is no time zone; use an IANA name such as Europe/Berlin.` };
  }
  const message = `"${cron}" is no cron expression; use five fields such as "0 9 * * 1-5".`;
  if (cron.trim().split(/\s+/).length !== 5) return { key: 'cron', message };
  try {
    return new Cron(cron, { timezone }).nextRun() === null ? { key: 'cron', message: `"${cron}" never comes.` } : null;
  } catch {
    return { key: 'cron', message };
  }
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
