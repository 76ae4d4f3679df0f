// Bundles src/**/*.test.ts and runs them with Node's own runner: `node test.mjs`.
import { build } from 'esbuild';
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = import.meta.dirname ?? new URL('.', import.meta.url).pathname;
const out = await mkdtemp(join(tmpdir(), 'dashboard-test-'));
try {
  const entryPoints = (await readdir(join(root, 'src'), { recursive: true })).filter((name) => name.endsWith('.test.ts')).map((name) => join('src', name));
  await build({
    absWorkingDir: root, entryPoints, outdir: out, outbase: 'src', outExtension: { '.js': '.mjs' },
    bundle: true, platform: 'node', format: 'esm', target: 'node18', jsx: 'automatic', jsxImportSource: 'preact', loader: { '.css': 'empty' }, logLevel: 'warning',
    banner: { js: "globalThis.window ??= Object.assign(globalThis, { location: new URL('http://localhost/'), matchMedia: () => ({ matches: false, addEventListener() {} }) });\nglobalThis.document ??= { hidden: false, documentElement: { dataset: {} } };\nconst unref = (make) => (...all) => { const timer = make(...all); timer.unref?.(); return timer; };\nglobalThis.setInterval = unref(globalThis.setInterval);" },
  });
  const files = entryPoints.map((name) => join(out, name.replace(/^src./, '').replace(/\.ts$/, '.mjs')));
  process.exitCode = spawnSync(process.execPath, ['--test', ...files], { stdio: 'inherit' }).status ?? 1;
} finally {
  await rm(out, { recursive: true, force: true });
}
