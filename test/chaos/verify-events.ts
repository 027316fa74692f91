import { plain, type Evidence, type Rows, type RunRow } from './evidence.js';
import { eventIds, type Order } from './orders.js';

/** Each event is kept once, and each run that waits for one gets it once. */
export function eventViolations({ graphs }: Evidence, { runs, events }: Rows): readonly string[] {
  const seen = new Map<string, number>();
  for (const { key, id } of events) seen.set(`${key}/${id}`, (seen.get(`${key}/${id}`) ?? 0) + 1);
  const doubles = [...seen]
    .filter(([, count]) => count > 1)
    .map(([name, count]) => `event ${name} is kept ${count} times`);
  const lost = graphs.orders.flatMap((order) =>
    eventIds(order)
      .filter((id) => graphs.events.has(id) && !seen.has(`${order.name}/${id}`))
      .map((id) => `event ${id} was accepted and is gone`),
  );
  const orders = new Map(graphs.orders.map((order) => [order.name, order]));
  const taken = runs.flatMap((row) => {
    const order = orders.get(row.order);
    return order === undefined ? [] : waitViolations(row, order);
  });
  return [...doubles, ...lost, ...taken];
}

function waitViolations({ id, steps, waits }: RunRow, order: Order): readonly string[] {
  const arrived = steps.filter(({ node, status }) => ['paid', 'arrived'].includes(node) && status === 'completed');
  const takers = arrived.map(({ decidedBy }) => decidedBy);
  const allowed = eventIds(order).map((each) => `event:${each}`);
  return [
    ...arrived.flatMap(({ key, decidedBy, output }) => {
      const payload = plain(output) as { readonly of?: string; readonly id?: string }; // -- reason: as it was posted
      const isOwn =
        payload.of === order.name && `event:${payload.id}` === decidedBy && allowed.includes(decidedBy ?? '');
      return isOwn ? [] : [`${id}: ${key} went on with ${JSON.stringify(payload)}, decided by ${decidedBy}`];
    }),
    ...(new Set(takers).size === takers.length ? [] : [`${id} took one event twice: ${takers.join(', ')}`]),
    ...waits
      .filter(({ kind, status, node }) => kind === 'event' && status === 'resolved' && !isAmong(node, arrived))
      .map(({ token }) => `${id}: ${token} is resolved and its step did not go on`),
  ];
}

const isAmong = (node: string, steps: readonly { readonly node: string }[]): boolean =>
  steps.some((step) => step.node === node);
