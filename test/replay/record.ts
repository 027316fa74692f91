import { writeFileSync } from 'node:fs';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { openStage } from '../support/play.js';
import { closeRunFolder, openRunFolder } from '../support/run-folder.js';
import { recordedScenes } from '../support/all-scenes.js';

/**
 * Records one history a scene, for ever after to be replayed: run it for a new scene, or for a change of the
 * workflow's commands that stands behind `patched`. Existing recordings of open runs are kept beside the new ones.
 */
async function main(only: readonly string[]): Promise<void> {
  openRunFolder();
  const stage = await openStage();
  for (const [name, scene] of Object.entries(recordedScenes)) {
    if (only.length > 0 && !only.includes(name)) continue;
    await stage.play(scene, async ({ handle, runId }) => {
      const workflowId = `run/ws/${runId}`;
      const history = await handle.fetchHistory();
      const file = new URL(`../../../test/replay/run-${name}.json`, import.meta.url);
      writeFileSync(file, JSON.stringify({ workflowId, history: JSON.parse(historyToJSON(history), withoutTraces) }));
    });
  }
  await stage.close();
  await closeRunFolder();
}

/** Where and by whom it was recorded is nobody's business and changes nothing for a replay. */
function withoutTraces(key: string, value: unknown): unknown {
  if (key === 'stackTrace') return '';
  return key === 'identity' || key === 'workerInstanceKey' ? 'recorded' : value;
}

await main(process.argv.slice(2));
process.exit();
