import { load, decode, identify, supported, ModelError, type Block, type Separator, type LiveStream } from 'spleeterrt';

async function main(file: File): Promise<void> {
  if (!supported.simd) return;
  const controller = new AbortController();
  const separator: Separator = await load(new URL('starter.safetensors', location.href), {
    threads: 2, signal: controller.signal, onProgress: ({ loaded, total }) => console.log(loaded / (total ?? 1)),
  });
  const stems: readonly string[] = separator.stems;
  const kind: string | undefined = (await identify(file))?.name;
  console.log(kind);
  try {
    const song: AudioBuffer = await decode(file, { sampleRate: separator.sampleRate });
    for await (const block of separator.separate(song, { stems: ['vocals'], mode: 'direct' })) {
      const b: Block = block;
      const left: Float32Array = b.stems['vocals']![0];
      console.log(b.start, left.length, stems.length);
    }
    for await (const block of separator.separate([new Float32Array(8), new Float32Array(8)])) console.log(block.length);
    const live: LiveStream = await separator.openLive(new AudioContext(), { hopFrames: 16, reserve: 0.2 });
    live.node.connect(live.node.context.destination, 0);
    console.log((await live.stats()).missed, live.latency);
    const stream = await separator.openStream({ frames: 64 });
    const [first] = await stream.process(new Float32Array(1), new Float32Array(1));
    console.log(first![1].length);
  } catch (error) {
    if (error instanceof ModelError) console.log(error.message);
    // @ts-expect-error: there is no such mode
    separator.separate([new Float32Array(1), new Float32Array(1)], { mode: 'karaoke' });
  }
  separator.close();
}
void main;
