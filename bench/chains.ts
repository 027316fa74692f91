const agent = (label: string) => ({ kind: 'agent', label, config: { message: '{{ input.text }}' } });
const note = (label: string) => ({ kind: 'notify', label, config: { channel: 'log', text: 'noted' } });

const chainOf = (slug: string, steps: readonly object[]): object => ({
  slug,
  name: slug,
  status: 'live',
  primary_steps: [{ kind: 'trigger', label: 'Start' }, ...steps],
});

/** Three durable steps, each an activity of its own; the model behind them is the scripted one. */
export const agentChain = chainOf('agents', [agent('First'), agent('Second'), agent('Third')]);
/** Three steps of the fast class, which share one activity. */
export const noteChain = chainOf('notes', [note('First'), note('Second'), note('Third')]);
export const waitingChain = chainOf('waiting', [
  { kind: 'human', label: 'Approve', config: { prompt: 'Go on?' } },
  note('Done'),
]);
