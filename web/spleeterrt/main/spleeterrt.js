// Music source separation in the browser: load a model, separate songs, separate live sound. What everything is for
// says spleeterrt.d.ts. The work is done in workers (spleeterrt-worker.js); they talk over ports, in node as well.
export { supported } from './builds.js';
export { ArgumentError, DecodeError, EngineError, ModelError, SpleeterrtError, UnsupportedError } from './common.js';
export { decode } from './decode.js';
export { identify } from './formats.js';
export { load } from './load.js';
