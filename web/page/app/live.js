// Live sound: a microphone, or what another tab plays, through the real-time engine to the loudspeakers.
import { assets } from './assets.js';

const SMOOTH = 0.012;

// The settings that people can choose: more delay, better stems. The labels say how far the sound is behind, about.
export const QUALITIES = {
  quick: { label: 'Short delay (0.2 s)', about: 'The networks run ten times a second. If gaps are heard, choose another one.', options: { frames: 64, hopFrames: 4, hold: true, window: 2048 } },
  balanced: { label: 'Balanced (1.2 s)', about: 'A third of the work of the short delay, and stems that know what comes next.', options: { frames: 64, hopFrames: 16, lookahead: 8, crossfade: 2 } },
  full: { label: 'Best stems (3.7 s)', about: 'The longest look ahead, and the least work.', options: { frames: 128, hopFrames: 64, lookahead: 16, crossfade: 4 } },
};

export const sources = {
  microphone: {
    label: 'Microphone or line input',
    available: () => Boolean(navigator.mediaDevices?.getUserMedia),
    open: () => navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false, channelCount: 2 } }),
  },
  tab: {
    label: 'Sound of a tab or of the screen',
    available: () => Boolean(navigator.mediaDevices?.getDisplayMedia),
    // Browsers share sound only along with a picture, which is not looked at; the tab itself is silenced meanwhile.
    open: () => navigator.mediaDevices.getDisplayMedia({
      video: true, audio: { suppressLocalAudioPlayback: true, echoCancellation: false, noiseSuppression: false, autoGainControl: false } }),
  },
};

// At the model's rate, or, where the browser does not resample what comes in, at that of the sound: the stream then does.
function sourceOf(mediaStream, sampleRate) {
  const latencyHint = 'interactive', context = new AudioContext({ latencyHint, sampleRate });
  try {
    return { context, source: new MediaStreamAudioSourceNode(context, { mediaStream }) };
  } catch {
    context.close();
    const own = new AudioContext({ latencyHint });
    return { context: own, source: new MediaStreamAudioSourceNode(own, { mediaStream }) };
  }
}

export class Live extends EventTarget {
  #context;
  #stream;
  #media;
  #source;
  #gains = [];
  #meters = [];
  #ended;
  stems = [];

  get running() {
    return Boolean(this.#stream);
  }

  // Until it is stopped. gainsFor(stems): what is heard of them at first. The sound is asked for before the model, which
  // may have to be loaded: browsers grant it only soon after a click.
  async run(source, models, options, gainsFor, signal) {
    const media = await sources[source].open();
    try {
      signal.throwIfAborted();
      if (media.getAudioTracks().length === 0) {
        throw new Error('No sound was shared. Choose a tab, and let the browser share its sound too (“Also share tab audio”).');
      }
      await models.use(signal, async (separator) => {
        await this.#open(media, separator, options, signal);
        this.#connect(gainsFor(this.#stream.stems));
        const ended = new Promise((resolve) => { this.#ended = resolve; });
        media.getAudioTracks()[0].addEventListener('ended', () => this.stop());
        this.dispatchEvent(new Event('change'));
        await ended;
      });
    } finally {
      for (const track of media.getTracks()) track.stop();
    }
  }

  async #open(media, separator, options, signal) {
    const { context, source } = sourceOf(media, separator.sampleRate);
    let stream;
    try {
      await context.resume();
      stream = await separator.openLive(context, { ...options, ...assets.liveOptions });
      signal.throwIfAborted();
    } catch (error) {
      stream?.close();
      context.close();
      throw error;
    }
    this.#context = context;
    this.#source = source;
    this.#media = media;
    this.#stream = stream;
  }

  #connect(gains) {
    const { node, stems } = this.#stream;
    this.stems = [...stems];
    this.#source.connect(node);
    stems.forEach((_, index) => {
      const gain = new GainNode(this.#context, { gain: gains[index] }), meter = new AnalyserNode(this.#context, { fftSize: 1024 });
      node.connect(gain, index);
      gain.connect(this.#context.destination);
      gain.connect(meter);
      this.#gains.push(gain);
      this.#meters.push(meter);
    });
  }

  setGain(index, value) {
    this.#gains[index]?.gain.setTargetAtTime(value, this.#context.currentTime, SMOOTH);
  }

  levels() {
    return this.#meters.map((meter) => {
      const samples = new Float32Array(meter.fftSize);
      meter.getFloatTimeDomainData(samples);
      return Math.min(1, samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0));
    });
  }

  // Null, or { latency: seconds from input to loudspeaker, silence: seconds that were lost, load, underruns }
  async report() {
    const stats = await this.#stream.stats();
    if (!this.#stream) return null; // stopped meanwhile
    const latency = this.#stream.latency + (this.#context.baseLatency || 0) + (this.#context.outputLatency || 0);
    return { ...stats, latency, silence: stats.missed / this.#context.sampleRate };
  }

  stop() {
    if (!this.#stream) return;
    for (const track of this.#media.getTracks()) track.stop();
    this.#stream.close();
    this.#context.close();
    this.#stream = this.#context = this.#media = this.#source = null;
    this.#gains = [];
    this.#meters = [];
    this.#ended();
    this.dispatchEvent(new Event('change'));
  }
}
