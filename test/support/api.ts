import type { Capability, Route } from '../../api/http/route.js';
import { allRoutes } from '../../api/server.js';
import { freshDatabase, startKit, testConfig } from './kit.js';
import { kitRows } from './kit-rows.js';

/** A running API with two workspaces that know nothing of each other, for tests that go over every row. */
export interface TestApi {
  readonly url: string;
  readonly rows: readonly Route[];
  /** The owner's workspace: `:id` of workspace rows. */
  readonly workspaceId: string;
  /** Authorization headers. */
  readonly owner: string;
  readonly admin: string;
  /** Of another workspace. */
  readonly stranger: string;
  /** A member with the weakest role, and what that may. */
  readonly weakest: { readonly authorization: string; readonly may: ReadonlySet<Capability> };
  /** Credentials that must not open anything: forged, expired, of the wrong kind. */
  readonly refused: readonly string[];
  /** Ids of things in the owner's workspace by the name of the path parameter: the stranger must not find them. */
  readonly existing: Readonly<Record<string, string>>;
  readonly close: () => Promise<void>;
}

export async function startTestApi(): Promise<TestApi> {
  const { db, drop } = await freshDatabase();
  const rows = kitRows({ ran: 0, open: Promise.resolve() });
  const kit = await startKit({ db, rows });
  return {
    url: kit.url,
    rows: allRoutes(rows, { version: testConfig.version, probes: {} }),
    workspaceId: 'ws_ann',
    owner: 'Bearer ann',
    admin: 'Bearer ann',
    stranger: 'Bearer bob',
    weakest: { authorization: 'Bearer vic:workflow.read', may: new Set(['workflow.read']) },
    refused: ['Bearer', 'Basic YTpi', 'Bearer forged.token.value'],
    existing: {},
    close: async () => {
      await kit.close();
      await drop();
    },
  };
}
