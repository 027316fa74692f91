import fs from 'node:fs';
import { fileURLToPath } from 'node:url';
import { GraphDocument } from '../../workflows/definition/graph.js';
import type { Plan } from '../../workflows/definition/plan.js';
import { planOf } from '../support/graphs.js';

const folder = fileURLToPath(new URL('../../../test/patterns/definitions/', import.meta.url));

export const definitionNames: readonly string[] = fs
  .readdirSync(folder)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace('.json', ''));

const read = (name: string): GraphDocument =>
  GraphDocument.parse(JSON.parse(fs.readFileSync(`${folder}${name}.json`, 'utf8')));

/** What other patterns call. */
const published = (id: string) => [id, { kind: 'workflow', published: true, versionId: `${id}_1` }] as const;

/** The plan of a pattern, as it would be published. */
export const patternPlan = (name: string): Plan =>
  planOf(read(name), { id: 'wf_self', definitions: new Map([published('wf_child'), published('wf_self')]) });
