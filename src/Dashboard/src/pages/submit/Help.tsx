import { factsOf, isRequired, lookUp, type Schema } from './schema';

/** What the field or section is that the caret stands in. */
export function Help({ schema, path }: { schema: Schema | null; path: readonly string[] }) {
  if (!schema) return null;
  const node = lookUp(schema, path);
  const facts = node && factsOf(node);
  return (
    <section class="help" aria-label="The field at the caret">
      <p class="facts">
        <code class="field-name">{path.length > 0 ? path.join('.') : 'Job file'}</code>
        {isRequired(schema, path) && <span class="badge info">required</span>}
        {node?.enum ? <span>one of {node.enum.map((value) => <code key={value}>{value}</code>)}</span>
          : facts && !node.properties && <span>{[facts.type, facts.allowed].filter(Boolean).join(', ')}{facts.unit && ` (${facts.unit})`}</span>}
        {facts?.standard && <span>default <code>{facts.standard}</code></span>}
      </p>
      <p>{facts ? <Words text={facts.text} /> : 'There is no field of this name.'}</p>
      {node?.properties && <p class="fields">{Object.entries(node.properties).map(([name, one]) => <code key={name} title={factsOf(one).text}>{name}</code>)}</p>}
    </section>
  );
}

// Descriptions name fields and values between backticks.
function Words({ text }: { text: string }) {
  return <>{text.split('`').map((part, i) => (i % 2 === 1 ? <code key={i}>{part}</code> : part))}</>;
}
