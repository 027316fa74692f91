import { raiseEvent, takeTurn, type Turn } from '../../workflows/contract/messages.js';
import type { RunActivities } from '../../workflows/contract/activities.js';
import { inline, type Json } from '../../workflows/definition/values.js';
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
  'call-continued-as-new': scene(talk(null, 'one', 'two', 'to booking', 'three', 'bye'), {
    input: { ...callInput(), maxHistoryEvents: 30 },
  }),
};
