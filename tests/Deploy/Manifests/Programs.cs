using System.Globalization;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Linformer.Cli;
using Linformer.Coordinator;
using Linformer.Worker.Agents;

namespace Deploy.Manifests;

/// <summary>What manifests say of the programs: arguments that they have, ports that they listen on, images that there are.</summary>
internal static partial class Programs
{
    /// <summary>Beyond the drain or the stop itself: ranks that are killed, the last words to the coordinator, the end of the process.</summary>
    private const int SecondsAfterStop = 15;

    public static IEnumerable<string> Check(Rendered rendered) =>
        rendered.Containers().SelectMany(one => Check(rendered, one.Owner, one.Pod, one.Container)).Concat(Coordinators(rendered));

    /// <summary>The names in <c>$(NAME)</c>.</summary>
    public static IEnumerable<string> Variables(string argument) => Variable().Matches(argument).Select(match => match.Groups["name"].Value);

    /// <summary>The value of an option as the program gets it; null if it is not given.</summary>
    public static string? Option(Rendered rendered, Item container, string name) =>
        Arguments(rendered, container).FirstOrDefault(argument => argument.StartsWith(name + "=", StringComparison.Ordinal))?[(name.Length + 1)..];

    /// <summary>The files that options name.</summary>
    public static IEnumerable<string> Files(Item container) => container["args"].List
        .Select(argument => argument.Text.Split('=', 2))
        .Where(parts => parts.Length == 2 && parts[1].StartsWith("/etc/", StringComparison.Ordinal))
        .Select(parts => parts[1]);

    /// <summary>The arguments, with variables put in as Kubernetes does.</summary>
    public static string[] Arguments(Rendered rendered, Item container)
    {
        var values = container["env"].List.ToDictionary(variable => variable["name"].Text, variable => ValueOf(rendered, variable));
        return [.. container["args"].List.Select(argument => Variable().Replace(argument.Text, match => values.GetValueOrDefault(match.Groups["name"].Value, match.Value)))];
    }

    /// <summary>What the real command line says of arguments.</summary>
    public static IEnumerable<string> ParseErrors(IReadOnlyList<string> arguments) => CommandLineApp.CreateRoot().Parse(arguments).Errors.Select(error => error.Message);

    private static IEnumerable<string> Check(Rendered rendered, Item owner, Item pod, Item container)
    {
        var arguments = Arguments(rendered, container);
        foreach (var error in ParseErrors(arguments))
            yield return $"{owner.Name()}: {error}";

        foreach (var (option, port) in new[] { ("--listen", "grpc"), ("--http", "http"), ("--health", "health") })
        {
            if (Option(rendered, container, option) is { } address && Port(container, port) != address[(address.LastIndexOf(':') + 1)..])
                yield return $"{owner.Name()}: {option}={address} is not the container's port";
        }

        foreach (var (probe, path) in new[] { ("startupProbe", "/healthz"), ("livenessProbe", "/healthz"), ("readinessProbe", "/readyz") })
        {
            if (container[probe].At("httpGet/port").Text != "health" || container[probe].At("httpGet/path").Text != path || Port(container, "health") is null)
                yield return $"{owner.Name()}: its {probe} does not ask {path} at the port health";
        }

        var stop = arguments.FirstOrDefault() == "worker"
            ? new WorkerAgentOptions { Coordinator = new Uri("http://c"), JoinToken = "", Name = "w", StorageRoot = "/", RankProgram = ("", []) }.DrainTimeout
            : new CoordinatorOptions { DataFolder = "/" }.StopPatience;
        if (pod.At("spec/terminationGracePeriodSeconds").Number < stop.TotalSeconds + SecondsAfterStop)
            yield return $"{owner.Name()}: its grace period is too short for a stop of {stop.TotalSeconds} s";

        // A standby is never ready, and a rollout that has a deadline would be told to have failed.
        if (owner["kind"].Text == "Deployment" && owner.At("spec/replicas").Number > 1 && owner.At("spec/progressDeadlineSeconds").Text != $"{int.MaxValue}")
            yield return $"{owner.Name()}: its rollout has a deadline, and its standby is never ready";

        // Signals go to the program itself, without a shell before it.
        if (container["command"].IsThere || pod.At("spec/shareProcessNamespace").Text == "true" || container.At("lifecycle/preStop").IsThere)
            yield return $"{owner.Name()}: SIGTERM has to reach the program at once";

        foreach (var complaint in Image(owner, container["image"].Text))
            yield return complaint;

        var gpus = container.At("resources/limits")["nvidia.com/gpu"].Text;
        if ((Option(rendered, container, "--device") == "cuda") != (gpus.Length > 0) || (gpus.Length > 0 && Option(rendered, container, "--slots") != gpus))
            yield return $"{owner.Name()}: --device, --slots and its limit of nvidia.com/gpu do not fit each other";
    }

    private static IEnumerable<string> Image(Item owner, string image)
    {
        var parts = image.Split(':');
        if (!File.Exists(Path.Combine(Repository.Images, $"{parts[0].Replace("linformer-", "")}.Dockerfile")))
            yield return $"{owner.Name()}: there is no Dockerfile of {parts[0]}";
        var version = XDocument.Load(Path.Combine(Repository.Root, "Directory.Build.props")).Descendants("Version").Single().Value;
        if (parts.Length != 2 || parts[1] != version)
            yield return $"{owner.Name()}: {image} is not of version {version}";
    }

    private static IEnumerable<string> Coordinators(Rendered rendered)
    {
        foreach (var (owner, _, container) in rendered.Containers())
        {
            if (Option(rendered, container, "--coordinator") is not { } address)
                continue;
            var uri = new Uri(address);
            if (uri.Scheme != "https" || rendered.Find("Service", uri.Host).At("spec/ports/0/port").Text != uri.Port.ToString(CultureInfo.InvariantCulture))
                yield return $"{owner.Name()}: no service is at {address}";
        }
    }

    private static string? Port(Item container, string name) =>
        container["ports"].List.Where(port => port["name"].Text == name).Select(port => port["containerPort"].Text).FirstOrDefault();

    private static string ValueOf(Rendered rendered, Item variable)
    {
        var (config, field) = (variable.At("valueFrom/configMapKeyRef"), variable.At("valueFrom/fieldRef/fieldPath").Text);
        return config.IsThere ? rendered.Find("ConfigMap", config["name"].Text)["data"][config["key"].Text].Text
            : field switch { "metadata.name" => "linformer-worker-0", "status.podIP" => "10.1.2.3", _ => variable["value"].Text };
    }

    [GeneratedRegex(@"\$\((?<name>\w+)\)", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Variable();
}
