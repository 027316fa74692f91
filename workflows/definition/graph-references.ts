import { fieldProblems, fieldsOf } from './fields.js';
import { kindOfType, schemaFor, type GraphType, type Site, type SiteOf } from './graph-configs.js';
import type { CompileContext } from './graph-context.js';
import { cronProblem } from './cron-problem.js';
import { pointerOf, type GraphProblem, type Path } from './problems.js';
import type { Json } from './values.js';

/** What is wrong inside single nodes: fields, addresses, tools, other definitions. */

/** A finding with its path in the configuration. */
export interface Found {
  readonly code: string;
  readonly path: Path;
  readonly message: string;
  readonly severity?: GraphProblem['severity'];
}

/** A type with its configuration. */
export type Configured = { readonly [K in GraphType]: Pick<SiteOf<K>, 'type' | 'config'> }[GraphType];

export function siteProblems(site: Site, context: CompileContext): readonly GraphProblem[] {
  return configFindings(site, context).map(({ path, severity = 'blocker', ...rest }): GraphProblem => ({
    ...rest,
    severity,
    node_id: site.node.id,
    pointer: pointerOf(['nodes', site.index, 'config', ...path]),
  }));
}

export function configFindings(site: Configured, context: CompileContext): readonly Found[] {
  // -- reason: configurations are JSON that zod has read
  const fields = fieldsOf(schemaFor(site.type, site.config), site.config as Json);
  return [...fields.flatMap(fieldProblems), ...ownProblems(site, context), ...addressProblems(site, context)];
}

type Check<K extends GraphType> = (
  site: Pick<SiteOf<K>, 'type' | 'config'>,
  context: CompileContext,
) => readonly Found[];

/** Of the types that refer to something outside, or mean something zod does not know. */
const own: { readonly [K in GraphType]?: Check<K> } = {
  instruction_agent: ({ config }, context) => agentProblems(config, context),
  agent: ({ config }, context) =>
    'instructions' in config ? agentProblems(config, context) : boundProblems(config, context),
  'flow-agent': ({ config }, context) => boundProblems(config, context),
  tool: ({ config }, context) => toolProblems([config.tool_name], ['tool_name'], context),
  workflow: (site, context) => nestedProblems(site, context),
  subflow: (site, context) => subflowProblems(site, context),
  delay: ({ config }) => delayProblems(config),
};

function ownProblems(site: Configured, context: CompileContext): readonly Found[] {
  // -- reason: the record holds for each type the function of that type; the compiler cannot relate the two
  const check = own[site.type] as Check<GraphType> | undefined;
  return check?.(site, context) ?? [];
}

function delayProblems(config: SiteOf<'delay'>['config']): readonly Found[] {
  const problem = 'cron' in config ? cronProblem(config.cron, config.timezone) : null;
  return problem === null
    ? []
    : [{ code: 'bad_schedule', path: [problem.key], message: `Correct ${problem.key}: ${problem.message}` }];
}

function agentProblems(config: SiteOf<'instruction_agent'>['config'], context: CompileContext): readonly Found[] {
  const empty: readonly Found[] =
    config.instructions.trim() === ''
      ? [
          {
            code: 'empty_instructions',
            path: ['instructions'],
            message: 'Write the instructions of this agent, or bind an agent by agent_id where the type allows it.',
          },
        ]
      : [];
  return [...empty, ...toolProblems(config.tools, ['tools'], context)];
}

function toolProblems(names: readonly string[], path: Path, { tools }: CompileContext): readonly Found[] {
  return names.flatMap((name, index) => {
    if (tools.has(name)) return [];
    const message = `There is no tool "${name}" in this workspace: add it (POST /v1/workspace-tools) or name another.`;
    return [{ code: 'unknown_tool', path: path[0] === 'tools' ? [...path, index] : path, message }];
  });
}

function boundProblems(config: SiteOf<'flow-agent'>['config'], context: CompileContext): readonly Found[] {
  const id = config.agent_id ?? config.definition_id;
  const path = [config.agent_id === undefined && config.definition_id !== undefined ? 'definition_id' : 'agent_id'];
  if (id === undefined || id === '')
    return [{ code: 'agent_missing', path, message: 'Bind an agent: set agent_id to the id of a published agent.' }];
  return definitionProblems({ id, path, what: 'agent' }, context);
}

function nestedProblems({ config }: Pick<SiteOf<'workflow'>, 'config'>, context: CompileContext): readonly Found[] {
  const id = config.workflow_id ?? config.definition_id;
  const path = [
    config.workflow_id === undefined && config.definition_id !== undefined ? 'definition_id' : 'workflow_id',
  ];
  if (id === undefined || id === '')
    return [{ code: 'workflow_missing', path, message: 'Set workflow_id to the id of a published workflow.' }];
  const found = definitionProblems({ id, path, what: 'workflow' }, context);
  if (found.length > 0 || context.definitions.get(id)?.plan !== undefined) return found;
  return [
    { code: 'not_nestable', path, message: `"${id}" cannot be nested: publish it again, or call it by a subflow.` },
  ];
}

/** A workflow may call itself as a run of its own: the engine bounds how deep. */
function subflowProblems({ config }: Pick<SiteOf<'subflow'>, 'config'>, context: CompileContext): readonly Found[] {
  const path = ['definition'];
  if (config.definition !== context.id || context.id === null)
    return definitionProblems({ id: config.definition, path, what: 'definition' }, context);
  const message = 'This workflow calls itself: make sure that a way past this node ends it.';
  return [{ code: 'recursion', severity: 'warning', path, message }];
}

function definitionProblems(
  { id, path, what }: { readonly id: string; readonly path: Path; readonly what: string },
  { id: own, definitions }: CompileContext,
): readonly Found[] {
  if (id === own)
    return [{ code: 'self_cycle', path, message: `A workflow cannot contain itself: choose another ${what}.` }];
  const known = definitions.get(id);
  if (known === undefined)
    return [
      {
        code: 'unknown_definition',
        path,
        message: `There is no ${what} "${id}" in this workspace: choose one of its ids.`,
      },
    ];
  if (known.kind === 'agent_dag') {
    const message = `Choose another ${what}: "${id}" is a workflow of agents, which only calls run.`;
    return [{ code: 'not_nestable', path, message }];
  }
  if (known.published) return [];
  return [{ code: 'not_published', path, message: `The ${what} "${id}" has no published version: publish it first.` }];
}

/** A templated address is checked when it is called. */
function addressProblems({ type, config }: Configured, { urlProblem }: CompileContext): readonly Found[] {
  const found: Found[] = [];
  const check = (value: unknown, path: Path): void => {
    if (typeof value !== 'string' || /\{[{%]/.test(value)) return;
    const problem = urlProblem(value);
    if (problem !== null)
      found.push({ code: 'unsafe_url', path, message: `Change ${path.join('.')}: ${problem}.`.replace(/\.\.$/, '.') });
  };
  if (kindOfType[type] === 'http' || kindOfType[type] === 'webhook')
    check('url' in config ? config.url : undefined, ['url']);
  if ('channel' in config && config.channel === 'webhook') {
    if (config.to === undefined)
      found.push({
        code: 'channel_incomplete',
        path: ['to'],
        message: 'Set to: the webhook channel needs an address.',
      });
    check(config.to, ['to']);
  }
  if ('on_unknown' in config && config.on_unknown.action === 'reconcile')
    check(config.on_unknown.url, ['on_unknown', 'url']);
  return found;
}
