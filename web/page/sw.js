// Keeps the page for visits without a network. All files of a version come together, into a cache of their own, and stay
// together until the next version has come completely. The list and the version are written when the site is put
// together (site.cmake).
const VERSION = '@SITE_VERSION@';
const FILES = [@SITE_FILES@];

const CACHE = `spleeterrt ${registration.scope} ${VERSION}`;

addEventListener('install', (event) => {
  event.waitUntil(keep());
});

addEventListener('activate', (event) => {
  event.waitUntil(take());
});

addEventListener('message', (event) => {
  if (event.data === 'activate') skipWaiting();
});

addEventListener('fetch', (event) => {
  const { request } = event, address = new URL(request.url);
  if (request.method !== 'GET' || address.origin !== location.origin) return;
  event.respondWith(answer(event, address));
});

async function keep() {
  const cache = await caches.open(CACHE);
  await cache.addAll(FILES.map((file) => new Request(file, { cache: 'reload' })));
  await model(cache, await fetch('settings.json', { cache: 'no-cache' }));
}

async function take() {
  const ours = `spleeterrt ${registration.scope} `;
  for (const name of await caches.keys()) {
    if (name.startsWith(ours) && name !== CACHE) await caches.delete(name);
  }
  await clients.claim();
}

// The settings name the model; a server may give others, another time another model.
async function model(cache, response) {
  if (!response.ok) throw new Error(`settings.json: ${response.status}`);
  const { model: address } = await response.clone().json();
  if (!(await cache.match(address))) await cache.add(address);
  await cache.put('settings.json', response); // once what it names is here
  for (const request of await cache.keys()) {
    const other = request.url.includes('.safetensors') && request.url !== new URL(address, location).href;
    if (other) await cache.delete(request);
  }
}

async function answer(event, address) {
  const { request } = event, cache = await caches.open(CACHE);
  if (address.pathname.endsWith('/settings.json')) return settings(cache, event);
  const page = request.mode === 'navigate' && /\/(index\.html)?$/.test(address.pathname);
  const kept = await cache.match(page ? './' : request);
  if (kept) return kept;
  return fetch(request);
}

// The page does not wait for the model, which may be large.
async function settings(cache, event) {
  try {
    const response = await fetch(event.request);
    if (response.ok) event.waitUntil(model(cache, response.clone()).catch(() => {}));
    return response;
  } catch {
    return cache.match('settings.json');
  }
}
