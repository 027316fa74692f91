import { visitKey, waitToken, type VisitPlace } from '../contract/ids.js';
import type { OpenWait, RunCarry, RunEvent, WaitKind, WaitSettlement } from '../contract/run.js';
import type { Value } from '../definition/values.js';
import type { Visit } from '../engine/state.js';
import { sizeOf } from './size.js';

const REMEMBERED = 1_000;
/** Of events nobody has waited for yet the oldest give way to more than this. */
const EVENTS_BYTES = 1024 * 1024;

export type NewWait = Partial<Omit<OpenWait, 'token' | 'nodeId' | 'visit' | 'scope' | 'openedAt'>> & {
  readonly kind: WaitKind;
};

/** The waits of one run, the decisions on them, and the events that came. */
export class WaitBook {
  private readonly runId: string;
  private readonly waits: Map<string, OpenWait>;
  /** Decided, but their visits have not gone on yet. */
  private readonly decisions: Map<string, WaitSettlement>;
  private readonly settled: string[];
  private readonly events: RunEvent[];
  private readonly seenEvents: string[];
  /** How many waits of each visit that still goes on are over. */
  private readonly waited: Map<string, number>;
  /** To be written to the rows of their waits. */
  private readonly unwritten: WaitSettlement[];

  constructor(runId: string, carry: RunCarry) {
    this.runId = runId;
    this.waits = new Map(carry.waits.map((wait) => [wait.token, wait]));
    this.decisions = new Map(carry.decisions.map((decision) => [decision.token, decision]));
    this.settled = [...carry.settled];
    this.events = [...carry.events];
    this.seenEvents = [...carry.seenEvents];
    this.unwritten = [...carry.settlements];
    this.waited = new Map(Object.entries(carry.waited));
  }

  /** The wait of this visit: the one carried over, or a new one. `round`: of the map or loop around it. */
  open(visit: Visit, wait: NewWait, round: number): { readonly wait: OpenWait; readonly isNew: boolean } {
    const carried = this.of(visit);
    if (carried !== undefined) return { wait: carried, isNew: false };
    const token = this.tokenOf(visit, round);
    const { nodeId, visit: number, scope } = visit;
    const made: OpenWait = { deadline: null, ...wait, token, nodeId, visit: number, scope, openedAt: Date.now() };
    this.waits.set(token, made);
    return { wait: made, isNew: true };
  }

  /** The wait of a visit, decided or not. */
  of(visit: Visit): OpenWait | undefined {
    const key = visitKey(visit);
    return this.all().find((wait) => visitKey(wait) === key);
  }

  /** A visit that waits again, after it was started anew, has a token of its own. */
  tokenOf(visit: VisitPlace, round: number): string {
    const key = visitKey(visit);
    const again = this.waited.get(key) ?? 0;
    return waitToken(this.runId, key) + (round > 0 ? `~m${round}` : '') + (again > 0 ? `~r${again + 1}` : '');
  }

  change(token: string, change: Partial<OpenWait>): void {
    const wait = this.waits.get(token);
    if (wait !== undefined) this.waits.set(token, { ...wait, ...change });
  }

  /** The wait of this token, decided or not. */
  get(token: string): OpenWait | undefined {
    return this.waits.get(token);
  }

  /** The wait of this token while it can still be decided. */
  find(token: string): OpenWait | undefined {
    return this.decisions.has(token) ? undefined : this.waits.get(token);
  }

  isSettled(token: string): boolean {
    return this.settled.includes(token);
  }

  decisionOn(token: string): WaitSettlement | undefined {
    return this.decisions.get(token);
  }

  /** Decides a wait; the outcome reaches the read model with the next write. */
  settle(settlement: WaitSettlement): void {
    const { token } = settlement;
    this.decisions.set(token, settlement);
    if (this.waits.get(token)?.kind === 'until') return;
    remember(this.settled, token);
    this.unwritten.push(settlement);
  }

  /** Takes back a wait that only its row knows of. */
  withdraw(token: string): void {
    const outcome = { outcome: 'cancelled', by: 'system:withdrawn', note: null, value: null } as const;
    this.unwritten.push({ token, ...outcome, at: Date.now() });
  }

  /** Forgets a wait that is over. */
  close(token: string): void {
    const wait = this.waits.get(token);
    this.waits.delete(token);
    this.decisions.delete(token);
    if (wait === undefined) return;
    const key = visitKey(wait);
    this.waited.set(key, (this.waited.get(key) ?? 0) + 1);
  }

  /** The visit has ended. */
  forget(key: string): void {
    this.waited.delete(key);
  }

  undecided(): readonly OpenWait[] {
    return [...this.waits.values()].filter((wait) => !this.decisions.has(wait.token));
  }

  all(): readonly OpenWait[] {
    return [...this.waits.values()];
  }

  /** Takes an event in, once an id: it settles the first wait it fits, or is kept for a later one. */
  receive(event: RunEvent): void {
    const identity = identityOf(event);
    if (this.seenEvents.includes(identity)) return;
    remember(this.seenEvents, identity);
    const wait = this.undecided().find((each) => fits(each, event));
    if (wait === undefined) {
      this.events.push(event);
      this.dropOldest();
      return;
    }
    this.settle(settlementBy(event, wait.token));
  }

  private dropOldest(): void {
    this.events.splice(0, this.events.length - REMEMBERED);
    let bytes = this.events.reduce((sum, { payload }) => sum + sizeOf(payload), 0);
    while (bytes > EVENTS_BYTES) bytes -= sizeOf(this.events.shift()?.payload ?? { json: null });
  }

  /** Settles a wait by an event that came before it. */
  takeEarly(wait: OpenWait): void {
    const at = this.events.findIndex((event) => fits(wait, event));
    const [event] = at < 0 ? [] : this.events.splice(at, 1);
    if (event !== undefined) this.settle(settlementBy(event, wait.token));
  }

  hasUnwritten(): boolean {
    return this.unwritten.length > 0;
  }

  takeUnwritten(limit = this.unwritten.length): readonly WaitSettlement[] {
    return this.unwritten.splice(0, limit);
  }

  unwrittenValues(): readonly (Value | null)[] {
    return this.unwritten.map(({ value }) => value);
  }

  putBack(settlements: readonly WaitSettlement[]): void {
    this.unwritten.unshift(...settlements);
  }

  carry(): Pick<RunCarry, 'waits' | 'decisions' | 'settled' | 'settlements' | 'events' | 'seenEvents' | 'waited'> {
    return {
      waits: this.all(),
      decisions: [...this.decisions.values()],
      settled: this.settled,
      settlements: this.unwritten,
      events: this.events,
      seenEvents: this.seenEvents,
      waited: Object.fromEntries(this.waited),
    };
  }
}

/** An event without a key was sent to this very run, so it fits whatever key is waited for. */
const fits = ({ event: wanted }: OpenWait, { name, key }: RunEvent): boolean =>
  wanted !== undefined && wanted.name === name && (wanted.key === null || key === null || wanted.key === key);

/** A sender's id counts within a name and key. */
const identityOf = ({ name, key, id }: RunEvent): string => JSON.stringify([name, key, id]);

const settlementBy = (event: RunEvent, token: string): WaitSettlement => ({
  token,
  outcome: 'resolved',
  by: `event:${event.id}`,
  note: null,
  value: event.payload,
  at: Date.now(),
});

function remember(list: string[], item: string): void {
  list.push(item);
  list.splice(0, list.length - REMEMBERED);
}
