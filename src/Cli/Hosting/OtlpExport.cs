using System.Reflection;
using Linformer.Protocol.Telemetry;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using Serilog;

namespace Linformer.Cli.Hosting;

/// <summary>How OTLP is spoken.</summary>
internal enum OtlpProtocol
{
    /// <summary>gRPC.</summary>
    Grpc,

    /// <summary>Protobuf by HTTP.</summary>
    Http,
}

/// <summary>Where metrics are sent, and as whose.</summary>
/// <param name="Endpoint">The collector; null for what OpenTelemetry's variables say.</param>
/// <param name="Protocol">How it is spoken to; null for what they say.</param>
/// <param name="Headers">Sent along; none for what they say.</param>
/// <param name="Service">What this process is.</param>
/// <param name="Instance">Which of them it is; null for the machine's name and the process.</param>
internal sealed record OtlpTarget(Uri? Endpoint, OtlpProtocol? Protocol, IReadOnlyList<KeyValuePair<string, string>> Headers, string Service, string? Instance);

/// <summary>
/// Sends the metrics of this process by OTLP until it is disposed of, which sends them once more. What OpenTelemetry's variables say
/// counts where the target says nothing; how often it sends is OTEL_METRIC_EXPORT_INTERVAL, in milliseconds.
/// </summary>
internal sealed class OtlpExport : IDisposable
{
    /// <summary>The variable that names a collector.</summary>
    public const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private const string MetricsEndpointVariable = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT";
    private const string MetricsPath = "v1/metrics";
    private const int LastPatience = 2000;

    private readonly MeterProvider _provider;
    private readonly OtlpTroubles _troubles;

    private OtlpExport(MeterProvider provider, OtlpTroubles troubles) => (_provider, _troubles) = (provider, troubles);

    /// <summary>Whether OpenTelemetry's variables ask for metrics to be sent.</summary>
    public static bool IsInEnvironment =>
        Is(EndpointVariable, text => text.Length > 0) || Is(MetricsEndpointVariable, text => text.Length > 0)
            ? !Is("OTEL_SDK_DISABLED", text => text.Equals("true", StringComparison.OrdinalIgnoreCase)) && !Is("OTEL_METRICS_EXPORTER", text => text == "none")
            : false;

    /// <summary>Begins to send.</summary>
    /// <param name="target">Where to.</param>
    /// <param name="log">Is told when something does not arrive.</param>
    public static OtlpExport Start(OtlpTarget target, ILogger log)
    {
        var version = typeof(OtlpExport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0];
        var resource = ResourceBuilder.CreateDefault()
            .AddService(target.Service, serviceVersion: version, serviceInstanceId: target.Instance ?? $"{Environment.MachineName}:{Environment.ProcessId}")
            .AddEnvironmentVariableDetector();
        var troubles = new OtlpTroubles(log);
        var provider = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter(MetricCollector.OwnMeters + "*", MetricCollector.RuntimeMeter)
            .AddOtlpExporter((exporter, _) => Configure(exporter, target))
            .Build();
        if (target.Endpoint is not null)
            log.Information("Metrics are sent by OTLP to {Endpoint}", target.Endpoint.GetLeftPart(UriPartial.Path));
        return new OtlpExport(provider, troubles);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _provider.Shutdown(LastPatience);
        _provider.Dispose();
        _troubles.Dispose();
    }

    private static bool Is(string variable, Func<string, bool> condition) => condition(Environment.GetEnvironmentVariable(variable)?.Trim() ?? "");

    private static void Configure(OtlpExporterOptions exporter, OtlpTarget target)
    {
        if (target.Protocol is { } protocol)
            exporter.Protocol = protocol == OtlpProtocol.Grpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf;
        // The exporter adds the path of metrics to what the variable says, and not to what is given here.
        if (target.Endpoint is { } endpoint)
            exporter.Endpoint = exporter.Protocol == OtlpExportProtocol.HttpProtobuf ? WithPath(endpoint) : endpoint;
        // Its own text of headers takes no value with a comma.
        if (target.Headers.Count > 0)
            exporter.HttpClientFactory = () => Client(target.Headers, exporter.TimeoutMilliseconds);
    }

    private static HttpClient Client(IReadOnlyList<KeyValuePair<string, string>> headers, int timeoutMilliseconds)
    {
        var client = new HttpClient { Timeout = TimeSpan.FromMilliseconds(timeoutMilliseconds) };
        foreach (var (name, value) in headers)
            client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
        return client;
    }

    private static Uri WithPath(Uri endpoint)
    {
        var text = endpoint.AbsoluteUri.TrimEnd('/');
        return new Uri(text.EndsWith("/" + MetricsPath, StringComparison.Ordinal) ? text : $"{text}/{MetricsPath}");
    }
}
