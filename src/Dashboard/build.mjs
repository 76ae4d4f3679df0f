// Builds the dashboard into the folder that is given: `node build.mjs [--out DIR] [--watch]`.
import { context } from 'esbuild';
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist' }, watch: { type: 'boolean', default: false } } });
const root = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const out = resolve(root, values.out);

const finish = {
  name: 'finish',
  setup(build) {
    build.onStart(() => rm(join(out, 'assets'), { recursive: true, force: true }));
    build.onEnd(async (result) => {
      if (result.errors.length > 0) return;
      await writePage(result.metafile);
      await copyIcon();
      if (!values.watch) await compressAll();
      report(result.metafile);
    });
  },
};

// The page names the hashed files of this build.
async function writePage(metafile) {
  const entry = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === 'src/main.tsx');
  if (!entry) throw new Error('src/main.tsx came to nothing');
  const [script, { cssBundle }] = entry;
  const url = (file) => '/' + file.slice(file.indexOf('assets/'));
  const page = (await readFile(join(root, 'index.html'), 'utf8')).replace('%SCRIPT%', url(script)).replace('%STYLE%', url(cssBundle));
  await writeFile(join(out, 'index.html'), page);
}

async function copyIcon() {
  const icon = await readFile(join(root, 'icon.svg'));
  const hash = createHash('sha256').update(icon).digest('hex').slice(0, 8);
  await writeFile(join(out, 'assets', `icon-${hash}.svg`), icon);
  const page = join(out, 'index.html');
  await writeFile(page, (await readFile(page, 'utf8')).replace('%ICON%', `/assets/icon-${hash}.svg`));
}

// Next to each file, for the coordinator to send as they are.
async function compressAll() {
  const files = [join(out, 'index.html'), ...(await readdir(join(out, 'assets'))).map((name) => join(out, 'assets', name))];
  for (const file of files.filter((name) => /\.(js|css|svg|html)$/.test(name))) {
    const content = await readFile(file);
    await writeFile(file + '.br', await promisify(brotliCompress)(content, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
    await writeFile(file + '.gz', await promisify(gzip)(content, { level: 9 }));
  }
}

function report(metafile) {
  for (const [file, { bytes }] of Object.entries(metafile.outputs).filter(([name]) => !name.endsWith('.map')))
    console.log(`${(bytes / 1024).toFixed(1).padStart(8)} KiB  ${file.slice(file.indexOf('assets/'))}`);
}

await rm(out, { recursive: true, force: true });
await mkdir(join(out, 'assets'), { recursive: true });
const build = await context({
  absWorkingDir: root,
  entryPoints: ['src/main.tsx'],
  bundle: true,
  splitting: true,
  format: 'esm',
  target: ['es2022', 'chrome109', 'firefox115', 'safari16.4'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  minify: !values.watch,
  sourcemap: values.watch ? 'inline' : false,
  legalComments: 'none',
  outdir: join(out, 'assets'),
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  assetNames: '[name]-[hash]',
  metafile: true,
  logLevel: 'warning',
  plugins: [finish],
});
if (values.watch) {
  await build.watch();
} else {
  await build.rebuild().catch(() => process.exit(1));
  await build.dispose();
}
