// Where the files beside the page are. A page that is one file replaces this module by one that holds them all.

// What workers may do is said by the header of their own file, if their server sends one; by the page's policy where a
// Blob starts them, as here.
const starts = new Map(); // by address
function startOf({ href }) {
  if (!starts.has(href)) {
    const text = `import ${JSON.stringify(href)};`;
    starts.set(href, URL.createObjectURL(new Blob([text], { type: 'text/javascript' })));
  }
  return starts.get(href);
}

export const assets = {
  settings: async () => (await fetch('settings.json')).json(),
  model: (address) => new URL(address, document.baseURI).href,
  worker: (address) => new Worker(startOf(address), { type: 'module' }),
  loadOptions: {},
  liveOptions: {},
  offline: true, // whether there is anything to keep for later visits
};
