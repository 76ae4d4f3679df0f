import { useEffect, useState } from 'preact/hooks';
import { api } from '../../api/client';
import { connections } from '../../api/stream';
import type { Preset } from '../../api/types';
import type { Schema } from './schema';

interface Forms {
  schema: Schema | null;
  presets: readonly Preset[];
}

// The same for as long as the coordinator's program runs.
let known: Forms | null = null;

/** The schema of job files and the examples. Without them, files are written and checked all the same. */
export function useForms(): Forms {
  const [forms, setForms] = useState<Forms>(known ?? { schema: null, presets: [] });
  useEffect(() => {
    const call = new AbortController();
    const absent = (): null => null;
    void Promise.all([api.schema(call.signal).catch(absent), api.presets(call.signal).catch(absent)]).then(([schema, presets]) => {
      if (call.signal.aborted) return;
      const now = { schema: schema as Schema | null, presets: presets ?? [] };
      if (schema && presets) known = now;
      setForms((before) => ({ schema: now.schema ?? before.schema, presets: now.presets.length > 0 ? now.presets : before.presets }));
    });
    return () => call.abort();
  }, [connections.value]);
  return forms;
}
