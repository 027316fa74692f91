import { pauseRun, raiseEvent, takeTurn, type Turn } from '../../workflows/contract/messages.js';
import type { RunActivities } from '../../workflows/contract/activities.js';
import { inline, jsonOf, type Json } from '../../workflows/definition/values.js';
import { dag, dagPlan, greeter, named } from './dags.js';
import { stands } from './graph-scenes.js';
import { toEnd, untilCancelled, type Played, type Scene } from './play.js';

/** Calls: turns of agents that are scripted by what the user says. */

/** `desk` greets, `billing` does not, `booking` greets; `bye` is a last word. */
const desk = greeter('desk', { session: { auto_disconnect_timeout: 120 } });
const agents = [
  desk,
  named('billing', { session: { auto_disconnect_timeout: 60 } }),
  greeter('booking', {
    prompt: {
      system: 'Book.',
      greeting: 'Booking for {{ user.name }}, {{ company }}',
      variables: [{ name: 'company', default: 'ACME' }],
    },
  }),
];

export const deskPlan = dagPlan(
  dag(
    [
      'desk!',
      { id: 'check', agent_name: 'check', skip_condition: 'flags.verified' },
      { id: 'billing', agent_name: 'billing', is_exit: true },
      { id: 'booking', agent_name: 'booking', is_exit: true },
      { id: 'bye', agent_name: 'bye', skip_condition: 'flags.no_bye', is_exit: true },
    ],
    [
      ['desk', 'check'],
      ['desk', 'booking'],
      ['desk', 'bye'],
      ['check', 'billing'],
      ['booking', 'bye'],
    ],
  ),
  agents,
);

/** The first agent may be skipped, the one behind it greets nobody. */
export const skippedEntryPlan = dagPlan(
  dag(
    [{ id: 'desk', agent_name: 'desk', is_entry: true, skip_condition: 'flags.known' }, 'billing.'],
    [['desk', 'billing']],
  ),
  agents,
);

interface Answer {
  readonly outcome: 'stay' | 'handoff' | 'end';
  readonly target?: string;
  readonly reason?: string;
  readonly flag?: string;
}

/** `to x` hands over to x, `flag x` sets a flag, `bye` ends; an agent that is handed a message it does not know stays. */
function answerTo(id: string, message: string): Answer {
  const [, target = ''] = /to (\w+)/.exec(message) ?? [];
  if (message.startsWith('bye')) return { outcome: 'end', reason: 'said goodbye' };
  return target === '' || target === id || id !== 'desk' ? { outcome: 'stay' } : { outcome: 'handoff', target };
}

const flagsAfter = (message: string): Readonly<Record<string, Json>> => {
  const [, flag] = /flag (\w+)/.exec(message) ?? [];
  return flag === undefined ? {} : { [flag]: true };
};

/** Turns of agents, as `agent_turn` puts them out. */
export const scriptedAgents =
  (work: () => Promise<void> = () => Promise.resolve()): NonNullable<Scene['activities']> =>
  (own: RunActivities) => ({
    runSegment: async (input) => {
      await own.runSegment(input);
      const [step] = input.steps;
      if (step === undefined || step.node.kind !== 'agent_turn') throw new Error('agents alone take turns here');
      const message = input.scope.message ?? '';
      if (message.includes('slow')) await work();
      const { id } = step.node;
      const { outcome, target = null, reason = null } = answerTo(id, message);
      const output = { text: `${id} heard: ${message}`, agent: step.node.config.agent, outcome, target, reason };
      const flags = flagsAfter(message);
      const vars = Object.keys(flags).length === 0 ? {} : { vars: { flags: inline(flags) } };
      return { outputs: [inline(output)], ...vars };
    },
  });

/** The same, and a turn after which its agent listens opens the wait for the next message, as the real activity does. */
const openingAgents =
  (
    scripted = scriptedAgents(),
    isDue = (outcome: Json): boolean => outcome === 'stay',
  ): NonNullable<Scene['activities']> =>
  (own, heard) => ({
    runSegment: async (input) => {
      const done = await (scripted(own, heard).runSegment ?? own.runSegment)(input);
      const output = jsonOf(done.outputs[0] ?? inline(null));
      // -- reason: scripted agents put out records
      const { outcome = null } = output as Readonly<Record<string, Json>>;
      if (input.opens === undefined || !isDue(outcome)) return done;
      heard.waits.push(input.opens.token);
      return { ...done, hasOpened: true };
    },
  });

export const callInput = (flags: Readonly<Record<string, Json>> = {}): NonNullable<Scene['input']> => ({
  isConversation: true,
  input: inline({ user: { name: 'Ana' }, context: {}, flags, agent_context: {}, metadata: {} }),
});

export const sayTo = ({ handle }: Pick<Played, 'handle'>, text: string | null): Promise<Turn> =>
  handle.executeUpdate(takeTurn, {
    args: [{ message: text === null ? null : inline({ text }), text }],
  });

export const hangUp = ({ handle }: Pick<Played, 'handle'>, payload: Json = null): Promise<void> =>
  handle.signal(raiseEvent, { id: 'hangup-1', name: 'call.hangup', key: null, payload: inline(payload) });

const talk = (...texts: readonly (string | null)[]): Scene['act'] =>
  async function act(played) {
    for (const text of texts) await sayTo(played, text);
    await toEnd(played);
  };

const scene = (act: Scene['act'], more: Partial<Scene> = {}): Scene => ({
  plan: deskPlan,
  input: callInput(),
  activities: scriptedAgents(),
  act,
  ...more,
});

const aWhile = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 300));

/** Paused while an agent is at work, and unpaused once it has answered. */
function pausedAtWork(): Scene {
  let release = (): void => undefined;
  const held = (): Promise<void> => new Promise((resolve) => (release = resolve));
  const act = async (played: Played): Promise<void> => {
    const { handle } = played;
    await sayTo(played, null);
    const turn = sayTo(played, 'slow hello');
    await stands(handle, ({ open }) => open.some((key) => key.startsWith('desk/')));
    await handle.executeUpdate(pauseRun, { args: [{ paused: true, by: 'ana' }] });
    release();
    await turn;
    await handle.executeUpdate(pauseRun, { args: [{ paused: false, by: 'ana' }] });
    await sayTo(played, 'bye');
    await toEnd(played);
  };
  return scene(act, { activities: openingAgents(scriptedAgents(held)) });
}

export const callScenes: Readonly<Record<string, Scene>> = {
  'call-ended': scene(talk(null, 'hello', 'again', 'to booking', 'bye')),
  'call-handed-on': scene(talk(null, 'to check', 'bye')),
  'call-skips': scene(talk(null, 'flag verified', 'to check', 'bye')),
  'call-skips-to-its-end': scene(talk(null, 'flag no_bye', 'to bye')),
  'call-skips-first': scene(talk(null, 'hello', 'bye'), { plan: skippedEntryPlan, input: callInput({ known: true }) }),
  'call-silent': scene(talk(null, 'hello')),
  'call-hung-up': scene(async (played) => {
    await sayTo(played, null);
    await hangUp(played, { reason: 'user left' });
    await toEnd(played);
  }),
  'call-hung-up-at-work': scene(
    async (played) => {
      await sayTo(played, null);
      const turn = sayTo(played, 'slow').catch(() => null);
      await stands(played.handle, ({ open }) => open.some((key) => key.startsWith('desk/')));
      await hangUp(played);
      await turn;
      await toEnd(played);
    },
    { activities: scriptedAgents(untilCancelled) },
  ),
  'call-opened': scene(talk(null, 'hello', 'again', 'to booking', 'one', 'two', 'bye'), {
    activities: openingAgents(),
  }),
  'call-opened-silent': scene(talk(null, 'hello'), { activities: openingAgents() }),
  'call-opened-hung-up': scene(
    async (played) => {
      await sayTo(played, null);
      await sayTo(played, 'hello');
      await hangUp(played);
      await toEnd(played);
    },
    { activities: openingAgents() },
  ),
  // an agent hands over, whatever its activity opened
  'call-opened-in-vain': scene(talk(null, 'to booking', 'bye'), {
    activities: openingAgents(scriptedAgents(), () => true),
  }),
  'call-opened-paused': pausedAtWork(),
  'call-opened-continued-as-new': scene(talk(null, 'one', 'two', 'three', 'to booking', 'four', 'bye'), {
    ...{ activities: openingAgents(), input: { ...callInput(), maxHistoryEvents: 30 } },
  }),
  'call-continued-as-new-at-work': scene(talk(null, 'slow one', 'slow two', 'slow three', 'bye'), {
    ...{ activities: scriptedAgents(aWhile), input: { ...callInput(), maxHistoryEvents: 30 } },
  }),
  'call-continued-as-new': scene(talk(null, 'one', 'two', 'to booking', 'three', 'bye'), {
    input: { ...callInput(), maxHistoryEvents: 30 },
  }),
};
