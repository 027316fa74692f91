import type { Insertable } from 'kysely';
import { z } from 'zod';
import type { Tables } from '../../db/tables.js';
import { JsonSchema, Mapping, Template } from '../../workflows/definition/nodes/common.js';
import { mappingProblem, templateProblem } from '../../workflows/definition/expressions.js';
import { secretProblem } from '../../workflows/definition/secret-problem.js';
import type { Json } from '../../workflows/definition/values.js';
import type { ErrorDetail } from '../http/errors.js';
import { schemaProblem } from '../../db/json-schema.js';

const path = z
  .string()
  .max(500)
  .regex(
    /^\$(\.\.?(\*|[\p{L}_][\p{L}\p{N}_-]*)|\[(\*|-?\d+|'[^']*'|"[^"]*")\])*$/u,
    'must be a JSONPath such as $.data.id or $.items[0]',
  );

const columns = {
  name: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, 'use letters, digits, _ . and -, at most 64, such as find_order')
    .meta({ description: 'Unique in the workspace; nodes and agents call it by this name' }),
  description: z.string().max(2_000).meta({ description: 'What it does, as an agent reads it' }),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH', 'DELETE']),
  url: Template.min(1).meta({ description: 'Liquid template; its host must be public' }),
  headers: z
    .record(z.string().min(1).max(200), Template)
    .meta({ description: 'Liquid templates; {{secret:NAME}} too' }),
  body: Mapping.nullable().meta({ description: 'Mapping of the JSON sent; the arguments without it' }),
  parameters: JsonSchema.nullable().meta({ description: 'JSON Schema of the arguments' }),
  outputs: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,99}$/, 'must be a name such as order_id'), path)
    .meta({ description: 'Results by name: JSONPath into the reply' }),
};

const example = {
  name: 'find_order',
  method: 'GET',
  url: 'https://shop.example.com/orders/{{ input.id }}',
  headers: { authorization: 'Bearer {{secret:SHOP_KEY}}' },
  outputs: { total: '$.order.total' },
};

export const NewTool = z
  .strictObject({
    ...columns,
    description: columns.description.default(''),
    method: columns.method.default('GET'),
    headers: columns.headers.default({}),
    body: columns.body.default(null),
    parameters: columns.parameters.default(null),
    outputs: columns.outputs.default({}),
  })
  .meta({ id: 'NewWorkspaceTool', example });
export type NewTool = z.output<typeof NewTool>;

export const ToolChange = z
  .strictObject(columns)
  .partial()
  .meta({ id: 'WorkspaceToolChange', example: { description: 'Finds an order by its number' } });
export type ToolChange = z.output<typeof ToolChange>;

/** What keeps a tool from being called: templates and secrets misspelt, an address inside, a schema that is none. */
export function toolProblems(tool: ToolChange, urlProblem: (url: string) => string | null): readonly ErrorDetail[] {
  const { url, headers = {}, body = null, parameters = null } = tool;
  const texts = [
    ...(url === undefined ? [] : [{ field: 'url', text: url }]),
    ...Object.entries(headers).map(([name, text]) => ({ field: `headers.${name}`, text })),
  ];
  const found = [
    ...texts.flatMap(({ field, text }) => [
      { field, message: secretProblem(text) },
      { field, message: templateProblem(text) },
    ]),
    { field: 'url', message: url === undefined ? null : literalUrlProblem(url, urlProblem) },
    { field: 'body', message: secretProblem(JSON.stringify(body)) },
    { field: 'body', message: body === null ? null : mappingProblem(body) },
    { field: 'parameters', message: parameters === null ? null : schemaProblem(parameters) },
  ];
  return found.flatMap(({ field, message }) => (message === null ? [] : [{ field, message }]));
}

/** A templated path is checked when it is called; its host, where that is written out, at once. */
export function literalUrlProblem(url: string, urlProblem: (url: string) => string | null): string | null {
  const literal = /^([^{]*)(\{[{%][\s\S]*)?$/.exec(url);
  if (literal === null || literal[2] === undefined) return urlProblem(url);
  const start = literal[1] ?? '';
  return /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+[/?#]/i.test(start) ? urlProblem(start) : null;
}

/** A whole tool after a change, so that the problems of both are seen. */
export const changedTool = (tool: NewTool, change: ToolChange): NewTool => ({
  ...tool,
  ...(Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined)) as Partial<NewTool>), // -- reason: only keys of `ToolChange`
});

type ToolColumns = Omit<Insertable<Tables['workspace_tools']>, 'id' | 'workspace_id' | 'created_at' | 'updated_at'>;

/** As the table keeps it. */
export const toolColumns = (tool: NewTool): ToolColumns => ({
  name: tool.name,
  description: tool.description,
  method: tool.method,
  url: tool.url,
  headers: JSON.stringify(tool.headers),
  body: jsonOrNull(tool.body),
  parameters: jsonOrNull(tool.parameters),
  outputs: JSON.stringify(tool.outputs),
});

const jsonOrNull = (json: Json): string | null => (json === null ? null : JSON.stringify(json));
