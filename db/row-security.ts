/**
 * The rules of row-level security, for migrations: every table gets one, a test goes over the catalogue. They read the
 * two settings of the connection (`db/scope.ts`); without a setting there is no row, and `*` stands for all. The settings
 * are read in a sub-select, once a query instead of once a row.
 */
const workspace = '(select keelson_workspace())';
const tenant = '(select keelson_tenant())';

/** A row of one workspace. */
export const ofWorkspace = `${workspace} in (workspace_id, '*')`;

/** A row of one organisation. */
export const ofTenant = `${tenant} in (tenant_id, '*')`;

/** A row of a workspace that people of its organisation share: the tree is looked at from every one of its workspaces. */
export const ofWorkspaceTenant = `${tenant} = '*' or exists (select from workspaces of_tenant
  where of_tenant.id = workspace_id and of_tenant.tenant_id = ${tenant})`;

/** A row whose parent decides: it is there for whom the parent is. */
export const ofParent = (parent: string, column: string, table: string): string =>
  `${workspace} = '*' or exists (select from ${parent} of_parent where of_parent.id = ${table}.${column})`;

/** A row of a person. */
export const ofUser = (table: string): string =>
  `${tenant} = '*' or exists (select from users of_user where of_user.id = ${table}.user_id)`;

/** Nobody's: only work outside any scope may touch it. */
export const ofSystem = `${workspace} = '*'`;

/** The statements that put a table behind its rule; `check` is for what is written, where that differs. */
export const protect = (table: string, rule: string, check: string = rule): readonly string[] => [
  `alter table ${table} enable row level security`,
  `create policy scope on ${table} using (${rule}) with check (${check})`,
];
