import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { nodeTypes, type NodeType } from '../workflows/definition/node-types.js';
import type { Json } from '../workflows/definition/values.js';

/** `docs/NODES.md`, made of the schemas that check the nodes: `node dist/local/node-document.js` writes it. */

type Schema = { readonly [key: string]: Json };

export function nodeDocument(): string {
  const graph = nodeTypes().filter((each) => !isOnlyChain(each));
  const chain = nodeTypes().filter(isOnlyChain);
  return [
    head,
    overview(graph),
    ...graph.map((each) => section(each, '##')),
    '## Steps that only chains have\n\n[CHAINS.md](CHAINS.md) tells how they behave.',
    ...chain.map((each) => section(each, '###')),
    policies,
  ]
    .join('\n\n')
    .concat('\n');
}

const isOnlyChain = ({ dialects }: NodeType): boolean => dialects.every((dialect) => dialect === 'chain');

const head = `# Nodes

<!-- Made of the schemas by \`node dist/local/node-document.js\`; change those instead. -->

Every type of node that a workflow or a chain may have, with its \`config\`. The same is in \`GET /v1/node-types?dialect=\`. A type
belongs to the studio (\`"engine": "studio"\`, the default of workflows), to automations (\`"engine": "automation"\`), to chains, or to
several of them.

**Names.** Expressions are [CEL](https://cel.dev) and templates [Liquid](https://shopify.github.io/liquid/). Both know \`input\` (what came to the node), \`text\` (its
text), \`vars\`, \`steps.ID\` (the last output of a node; \`steps["my-id"]\` with a dash), \`run.id\`, \`run.input\`, \`item\` and \`index\` (in a map
or loop) and \`message\` (the last one of a user). A field of the kind *mapping* is any JSON: its strings are templates,
\`"{{ path }}"\` alone gives the value with its type, and \`{"$expr": "..."}\` what the CEL expression gives. \`{{secret:NAME}}\` is filled in
where a call is made, never before. Beside the standard, CEL here has \`lower(s)\`, \`upper(s)\`, \`s.replace(a, b)\`, \`json(text)\`,
\`text(value)\`, \`round\`, \`floor\` and \`ceil\`; numbers of both kinds mix, and \`input.?a.?b.orValue(0)\` reads what may be missing.
Patterns, of \`matches\` and of JSON Schemas, are those of JavaScript without look-around and back references.

**Conditions of edges.** Of the ways of one port the first whose condition holds is taken, in ascending \`priority\`, then in the order of
the document; edges without a condition come after those, and \`default\` (or \`true\`, \`else\`, \`*\`) last. \`contains:word\` asks for
a word, in the studio in the last message, else in the text of the output. \`var.path == value\` compares a variable loosely. In an
automation any other text is CEL; in the studio it is a word to look for.

**Ports.** An edge leaves by its \`port\`, or by its \`label\` if that is a port of the node, or else by the first port. \`error\` is taken
when the attempts of a node are used up and its \`on_error\` is \`route\`.`;

const policies = `## Keys of every node

| Key | Meaning |
| --- | --- |
| \`retry\` | \`{max_attempts, initial_seconds, max_seconds, factor, non_retryable}\`: attempts in all, and the pauses between them |
| \`timeout\` | seconds: of one attempt; of the whole for waits, maps, loops and subflows |
| \`on_error\` | \`fail\` (the run fails), \`route\` (the edges of port \`error\`), \`park\` (waits for a person), \`{"action": "fallback", "value": ...}\` |
| \`save_as\` | the variable that takes the output |
| \`undo\` | the node that undoes this one on failure, on cancel and by \`compensate\` |
| \`mutex\` | nodes of one name never run at the same time in one run |
| \`within\` | the map or loop whose body the node belongs to |
| \`notes\`, \`position\` | for people and pages; the engine does not read them |`;

function overview(types: readonly NodeType[]): string {
  const rows = types.map(
    ({ type, title, dialects, execution }) =>
      `| [\`${type}\`](#${type.toLowerCase()}) | ${title} | ${dialects.join(', ')} | ${execution} |`,
  );
  return ['| Type | What | Where | Runs |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

function section(
  { type, description, dialects, ports, execution, aliases, config, examples }: NodeType,
  level: string,
): string {
  const also = aliases.length === 0 ? '' : ` Also called ${aliases.map((each) => `\`${each}\``).join(', ')}.`;
  const facts = `In: ${dialects.join(', ')}. Ports: ${ports.map((each) => `\`${each}\``).join(', ')}. Runs: ${execution}.${also}`;
  const forms = formsOf(config).map((form) => fieldTable(form, config));
  return [`${level} ${type}`, description, facts, ...forms, ...examples.map(exampleOf)].join('\n\n');
}

const exampleOf = (example: Json): string => `\`\`\`json\n${JSON.stringify(example, null, 2)}\n\`\`\``;

/** A configuration of two forms has two tables. */
function formsOf(config: Schema): readonly Schema[] {
  const options = config['anyOf'];
  return Array.isArray(options) ? options.filter(isSchema) : [config];
}

function fieldTable(form: Schema, root: Schema): string {
  const { properties, required } = form;
  const fields = isSchema(properties) ? Object.entries(properties) : [];
  if (fields.length === 0) return 'It has no configuration.';
  const needed = Array.isArray(required) ? required : [];
  const rows = fields.map(([name, field]) => {
    const schema = isSchema(field) ? field : {};
    const initial = schema['default'];
    const without = needed.includes(name) ? 'required' : initial === undefined ? '' : `\`${JSON.stringify(initial)}\``;
    return `| \`${name}\` | ${typeName(schema, root)} | ${without} | ${cell(meaning(schema, root))} |`;
  });
  return ['| Field | Type | Default | Meaning |', '| --- | --- | --- | --- |', ...rows].join('\n');
}

const names: Readonly<Record<string, string>> = {
  CelExpression: 'CEL',
  LiquidTemplate: 'Liquid',
  Mapping: 'mapping',
  JsonSchema: 'JSON Schema',
};

function typeName(schema: Schema, root: Schema): string {
  const { $ref: reference, type, items, enum: values, const: only } = schema;
  const options = [schema['anyOf'], schema['oneOf']].find((each) => Array.isArray(each));
  if (typeof reference === 'string') return referenceName(reference, root);
  if (values !== undefined && Array.isArray(values)) return values.map(quoted).join(' \\| ');
  if (only !== undefined) return quoted(only);
  if (Array.isArray(options))
    return options
      .filter(isSchema)
      .map((each) => typeName(each, root))
      .join(' \\| ');
  if (type === 'array') return `list of ${isSchema(items) ? typeName(items, root) : 'anything'}`;
  if (type === 'object') return objectName(schema, root);
  return `${typeof type === 'string' ? type : 'JSON'}${bounds(schema)}`;
}

function referenceName(reference: string, root: Schema): string {
  const id = reference.split('/').at(-1) ?? '';
  const known = names[id];
  const parts = root['$defs'];
  const part = isSchema(parts) ? parts[id] : undefined;
  return known ?? (part !== undefined && isSchema(part) ? typeName(part, root) : id);
}

function objectName({ properties, additionalProperties: values }: Schema, root: Schema): string {
  if (isSchema(properties)) {
    const fields = Object.entries(properties).map(([key, each]) =>
      isSchema(each) && each['const'] !== undefined ? `${key}: ${JSON.stringify(each['const'])}` : key,
    );
    return `\`{${fields.join(', ')}}\``;
  }
  return isSchema(values) ? `object of ${typeName(values, root)}` : 'object';
}

function bounds({ minimum, maximum, maxLength }: Schema): string {
  if (typeof minimum === 'number' && typeof maximum === 'number') return `, ${minimum} to ${maximum}`;
  return typeof maxLength === 'number' ? `, up to ${maxLength} characters` : '';
}

function meaning(schema: Schema, root: Schema): string {
  const { description, $ref: reference } = schema;
  if (typeof description === 'string') return description;
  const id = typeof reference === 'string' ? (reference.split('/').at(-1) ?? '') : '';
  const parts = root['$defs'];
  const part = isSchema(parts) && names[id] === undefined ? parts[id] : undefined;
  return part !== undefined && isSchema(part) && typeof part['description'] === 'string' ? part['description'] : '';
}

const quoted = (value: Json): string => `\`${JSON.stringify(value)}\``;
const cell = (text: string): string => text.replaceAll('|', '\\|');

const isSchema = (value: Json | undefined): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

if (process.argv[1] === fileURLToPath(import.meta.url))
  fs.writeFileSync(new URL('../../docs/NODES.md', import.meta.url), nodeDocument());
