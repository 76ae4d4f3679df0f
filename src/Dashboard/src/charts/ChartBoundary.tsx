import { Component, type ComponentChildren } from 'preact';

interface Props {
  title: string;
  children: ComponentChildren;
}

/** Keeps a chart that cannot be drawn from taking the page with it. */
export class ChartBoundary extends Component<Props, { error: unknown }> {
  override state = { error: null as unknown };

  override componentDidCatch(error: unknown): void {
    this.setState({ error });
  }

  override render() {
    if (this.state.error === null) return this.props.children;
    return (
      <figure class="chart card">
        <figcaption><h3>{this.props.title}</h3></figcaption>
        <p class="chart-broken" role="alert">
          The chart cannot be shown: {this.state.error instanceof Error ? this.state.error.message : String(this.state.error)}
          <button type="button" class="button small" onClick={() => this.setState({ error: null })}>Try again</button>
        </p>
      </figure>
    );
  }
}
