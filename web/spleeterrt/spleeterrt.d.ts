/**
 * Music source separation in the browser (and in node): a song, or live sound, into its stems.
 *
 * Signals are stereo, 32-bit floats with full scale 1, one Float32Array per channel, at the model's sample rate.
 */

/** Where a model is: an address, its bytes, or a file that the user chose. What `spleeterrt models convert` writes. */
export type ModelSource = string | URL | Blob | ArrayBuffer | ArrayBufferView | Response;

/** Where a WebAssembly module is. */
export type WasmSource = string | URL | ArrayBuffer | ArrayBufferView | WebAssembly.Module;

export type Channels = readonly [Float32Array, Float32Array];

/** What `separate` takes: two channels, an AudioBuffer (mono counts as two alike, of more the first two are taken), or
 * pieces of two channels one after the other, which may be made while they are wanted. */
export type SignalSource = Channels | AudioBuffer | Iterable<Channels> | AsyncIterable<Channels>;

export interface LoadProgress {
  /** Bytes of the model that are here. */
  loaded: number;
  /** All of them, where the server says so. */
  total: number | undefined;
}

export interface LoadOptions {
  /** Workers that run networks, each with its own. Where there are several, one more makes the sound meanwhile.
   * Default: one per network, at most one per core. */
  threads?: number;
  onProgress?: (progress: LoadProgress) => void;
  signal?: AbortSignal;
  /** Half of the weights' memory, somewhat slower. */
  lowMemory?: boolean;
  /** The networks that are loaded, by their stems, which are then the ones that come out. Default: the model's usual
   * ones (of `starter` the four stems, without the accompaniment). Others are loaded when `separate` wants them. */
  networks?: readonly string[];
  /** Where the two modules are. Default: beside this one. */
  wasm?: { plain?: WasmSource; relaxed?: WasmSource };
  /** 'plain': the same bytes on every machine. 'relaxed': fused multiply-add, faster, differs in the last digits from
   * machine to machine. Default: 'relaxed' where the browser has it. */
  build?: 'plain' | 'relaxed';
  /** Makes a worker of `spleeterrt-worker.js`, which also runs as a classic worker from a Blob: for pages that cannot
   * name it by an address. */
  createWorker?: () => Worker;
}

export interface SeparateProgress {
  /** 0 to 1; of an iterable, whose length nobody knows, undefined until its end. */
  fraction: number | undefined;
  /** Samples whose stems have come out. */
  samples: number;
  /** Samples of the signal, where known. */
  total: number | undefined;
}

export interface SeparateOptions {
  signal?: AbortSignal;
  onProgress?: (progress: SeparateProgress) => void;
  /** The stems that come out. Default: the separator's. */
  stems?: readonly string[];
  /** Which networks run and what becomes of their estimates. Default: 'ratio', as Spleeter does it. */
  mode?: 'ratio' | 'direct' | 'residual' | 'three';
  /** The last stem becomes the mix minus the others, so that they sum to it. */
  residual?: boolean;
  /** Masks also above the networks' band (11 kHz). */
  fullBand?: boolean;
  /** Multichannel Wiener filter; the signal comes twice, so it cannot be an iterable that is used up. */
  wiener?: boolean;
}

/** A piece of every stem. Pieces come in order, without gaps, and together are as long as the signal. */
export interface Block {
  /** Its first sample, counted from the signal's beginning. */
  start: number;
  length: number;
  /** By name: left and right. They belong to the caller. */
  stems: Record<string, [Float32Array, Float32Array]>;
}

export interface StreamOptions {
  /** Samples per second of what comes in and goes out, resampled inside. Default: the model's. */
  sampleRate?: number;
  /** T, the frames that the networks see, a multiple of 64 up to 512. Default: 128 (3 s). */
  frames?: number;
  /** New frames per run of the networks. Default: as many as `frames`; fewer lower the latency and cost more. */
  hopFrames?: number;
  /** Future frames that the networks see beyond those they make masks for. */
  lookahead?: number;
  /** The newest mask for the newest frame: the lowest latency; masks lag by the networks' time. */
  hold?: boolean;
  /** Frames over which masks of consecutive runs fade. */
  crossfade?: number;
  /** Samples of a frame that are synthesised; 2048 lowers the latency by 46 ms. Default: all, 4096. */
  window?: number;
  /** Samples at the model's rate for a run of the networks. Default: until the next one begins. */
  budget?: number;
  mode?: 'ratio' | 'direct' | 'residual' | 'three';
  stems?: readonly string[];
  residual?: boolean;
  fullBand?: boolean;
  /** Never wait for the networks, conceal late ones (default). false: wait; results are the same every time. */
  realtime?: boolean;
}

export interface LiveOptions extends StreamOptions {
  /** Seconds that are kept ready beyond the stream's own latency, against stutter. Default: 0.1. */
  reserve?: number;
  /** Where `spleeterrt-worklet.js` is. Default: beside this module. */
  worklet?: string | URL;
}

export interface StreamStats {
  runs: number;
  underruns: number;
  dropped: number;
  coveredFrames: number;
  repaired: number;
  /** Seconds of a run over the seconds between two: above 1 it cannot hold. */
  load: number;
  runSeconds: number;
  worstRunSeconds: number;
  processSeconds: number;
  worstProcessSeconds: number;
}

/** The real-time engine in a worker: samples in, stems out, `latency` samples later. */
export interface Stream {
  readonly stems: readonly string[];
  readonly sampleRate: number;
  /** Samples by which the stems come later than the mix. */
  readonly latency: number;
  /** The next samples of the mix in, as many of every stem out. Calls may overlap; they are answered in order. */
  process(left: Float32Array, right: Float32Array): Promise<[Float32Array, Float32Array][]>;
  /** The last `latency` samples; then the stream begins anew. */
  flush(): Promise<[Float32Array, Float32Array][]>;
  reset(): Promise<void>;
  stats(): Promise<StreamStats>;
  close(): void;
}

/** A stream between a source and a destination of the Web Audio API. */
export interface LiveStream {
  /** Input 0: the mix. Output i: stem i, stereo. */
  readonly node: AudioWorkletNode;
  readonly stems: readonly string[];
  /** Seconds from input to output, the reserve included. */
  readonly latency: number;
  /** The stream's, and `missed`: samples that were not there in time and came out as silence. */
  stats(): Promise<StreamStats & { missed: number }>;
  close(): void;
}

export interface Separator {
  /** The stems that `separate` gives without options, in order. */
  readonly stems: readonly string[];
  /** Hz. */
  readonly sampleRate: number;
  /** Workers that run the networks. */
  readonly threads: number;
  readonly build: 'plain' | 'relaxed';
  /** One signal at a time: a second call waits until the first one has ended. Leaving the loop ends the separation. */
  separate(signal: SignalSource, options?: SeparateOptions): AsyncGenerator<Block, void, undefined>;
  /** A stream in a worker of its own. */
  openStream(options?: StreamOptions): Promise<Stream>;
  /** A stream as a node of an audio graph; sampleRate is the context's. */
  openLive(context: BaseAudioContext, options?: LiveOptions): Promise<LiveStream>;
  /** Bytes of the workers' WebAssembly memories, which never shrink. */
  memory(): Promise<number[]>;
  /** Ends the workers; a separation in progress fails. */
  close(): void;
}

/** Loads a model; the returned separator holds workers until it is closed. */
export function load(model: ModelSource, options?: LoadOptions): Promise<Separator>;

/** The file's sound at `sampleRate` Hz (default 44100), by the browser's own decoders. Throws DecodeError. Not in node. */
export function decode(file: Blob | ArrayBuffer | ArrayBufferView, options?: { sampleRate?: number }): Promise<AudioBuffer>;

/** What a file is by its first bytes; null: nothing that is known. `sound`: whether such files hold sound; `decodable`:
 * whether browsers decode them (AIFF and WMA, for example, they do not). */
export function identify(
  file: Blob | ArrayBuffer | ArrayBufferView,
): Promise<{ name: string; sound: boolean; decodable: boolean } | null>;

/** Whether this JavaScript engine has WebAssembly with SIMD, and the relaxed instructions. */
export const supported: { readonly simd: boolean; readonly relaxed: boolean };

/** All errors of this package. (An aborted signal throws its own reason.) */
export class SpleeterrtError extends Error {}
/** Missing, damaged, or not a model. */
export class ModelError extends SpleeterrtError {}
/** Options or signals that make no sense. */
export class ArgumentError extends SpleeterrtError {}
/** The browser lacks something that is needed. */
export class UnsupportedError extends SpleeterrtError {}
/** The browser cannot decode this file. */
export class DecodeError extends SpleeterrtError {}
/** Not enough memory, or a defect in the engine: the separator has to be loaded again. */
export class EngineError extends SpleeterrtError {}
