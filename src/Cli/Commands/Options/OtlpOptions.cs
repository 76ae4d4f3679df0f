using System.CommandLine;
using Linformer.Cli.Hosting;
using Serilog;

namespace Linformer.Cli.Commands.Options;

/// <summary>Where metrics are sent by OTLP: <c>--otlp-endpoint</c>, <c>--otlp-protocol</c>, <c>--otlp-headers-file</c>, or OpenTelemetry's variables.</summary>
internal sealed class OtlpOptions
{
    private readonly Option<Uri?> _endpoint = new("--otlp-endpoint")
    {
        Description = $"Send metrics by OTLP to a collector, such as http://localhost:4317 (default: {OtlpExport.EndpointVariable}; nowhere without it)",
        HelpName = "URL",
        CustomParser = result =>
        {
            var text = result.Tokens[0].Value;
            if (Uri.TryCreate(text, UriKind.Absolute, out var url) && (url.Scheme == Uri.UriSchemeHttp || url.Scheme == Uri.UriSchemeHttps))
                return url;
            result.AddError($"--otlp-endpoint is '{text}'; it has to be a URL that begins with http:// or https://, such as http://localhost:4317.");
            return null;
        },
    };

    private readonly Option<OtlpProtocol?> _protocol = new("--otlp-protocol")
    {
        Description = "How they are sent: grpc, or http, which is protobuf by HTTP (default: OTEL_EXPORTER_OTLP_PROTOCOL, or grpc)",
        HelpName = "grpc|http",
        CustomParser = result =>
        {
            switch (result.Tokens[0].Value)
            {
                case "grpc":
                    return OtlpProtocol.Grpc;
                case "http":
                    return OtlpProtocol.Http;
                case var other:
                    result.AddError($"--otlp-protocol is '{other}'; allowed are grpc and http.");
                    return null;
            }
        },
    };

    private readonly Option<string?> _headers = new("--otlp-headers-file")
    {
        Description = "A file with headers that are sent along, one NAME: VALUE a line, such as an API key",
        HelpName = "FILE",
    };

    /// <summary>Adds them.</summary>
    public void AddTo(Command command)
    {
        foreach (var option in (Option[])[_endpoint, _protocol, _headers])
            command.Add(option);
    }

    /// <summary>Begins to send, if it is asked for.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="service">What this process is, such as <c>linformer-worker</c>.</param>
    /// <param name="instance">Which of them it is; null for the machine's name and the process.</param>
    /// <param name="log">Is told when they do not arrive.</param>
    /// <returns>Sends until it is disposed; null when nothing is to be sent.</returns>
    /// <exception cref="CommandException">The file cannot be read or is wrong.</exception>
    public OtlpExport? Start(ParseResult parsed, string service, string? instance, ILogger log)
    {
        var (endpoint, protocol, file) = (parsed.GetValue(_endpoint), parsed.GetValue(_protocol), parsed.GetValue(_headers));
        if (endpoint is null && !OtlpExport.IsInEnvironment)
            return (protocol is null && file is null) ? null : throw new CommandException($"--otlp-protocol and --otlp-headers-file need --otlp-endpoint, or {OtlpExport.EndpointVariable}.");
        SecretFiles.WarnIfOpen(log, file);
        return OtlpExport.Start(new OtlpTarget(endpoint, protocol, file is null ? [] : OtlpHeaders.Read(file), service, instance), log);
    }
}
