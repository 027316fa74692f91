import { callScenes } from './call-scenes.js';
import { childScenes } from './child-scenes.js';
import { graphScenes } from './graph-scenes.js';
import { hardScenes } from './hard-scenes.js';
import { kindScenes } from './kind-scenes.js';
import { longScenes } from './long-scenes.js';
import type { Scene } from './play.js';
import { scenes } from './scenes.js';

/** Every way through the interpreter, by name. */
export const allScenes: Readonly<Record<string, Scene>> = {
  ...scenes,
  ...graphScenes,
  ...kindScenes,
  ...hardScenes,
  ...longScenes,
  ...childScenes,
  ...callScenes,
};

/** Those whose histories are kept, to be replayed for ever; a megabyte of state is none of them. */
export const recordedScenes: Readonly<Record<string, Scene>> = Object.fromEntries(
  Object.entries(allScenes).filter(([name]) => name !== 'large-continued-as-new'),
);
