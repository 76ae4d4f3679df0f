using Linformer.Protocol.Security;

namespace Linformer.Coordinator.Scaling;

/// <summary>The service account of the coordinator's pod: where the API server is, whom to trust, and the token, which Kubernetes renews.</summary>
public sealed class KubernetesAccount
{
    private const int MaxTokenBytes = 64 << 10;

    private readonly string _tokenPath;

    private KubernetesAccount(Uri server, string tokenPath, ClientTls tls, string space) =>
        (Server, _tokenPath, Tls, Namespace) = (server, tokenPath, tls, space);

    /// <summary>The API server.</summary>
    public Uri Server { get; }

    /// <summary>How TLS is done with it.</summary>
    public ClientTls Tls { get; }

    /// <summary>The namespace of the StatefulSet.</summary>
    public string Namespace { get; }

    /// <summary>Finds all that is needed.</summary>
    /// <param name="options">What is set; the rest is as Kubernetes gives it to pods.</param>
    /// <param name="environment">Looks an environment variable up.</param>
    /// <param name="report">Is told when renewed files were read.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="KubernetesException">This is no pod with a service account.</exception>
    public static KubernetesAccount Load(ScalingOptions options, Func<string, string?> environment, Action<string>? report = null)
    {
        Check(options);
        var server = options.Server ?? ServerOfPod(environment);
        if (server.Scheme != Uri.UriSchemeHttps)
            throw new ArgumentException($"The API server is {server}; an https address is needed: the service account's token goes there.");
        try
        {
            var tls = new ClientTls(new TrustFile(Path.Combine(options.AccountFolder, "ca.crt"), report));
            var space = options.Namespace ?? File.ReadAllText(Path.Combine(options.AccountFolder, "namespace")).Trim();
            CheckName("The namespace", space);
            var account = new KubernetesAccount(server, Path.Combine(options.AccountFolder, "token"), tls, space);
            _ = account.Token();
            return account;
        }
        catch (Exception exception) when (exception is CertificateException or KubernetesException or IOException or UnauthorizedAccessException)
        {
            throw new KubernetesException(
                $"Workers cannot be scaled without the service account of the coordinator's pod: {exception.Message} "
                + "In a pod, set serviceAccountName and automountServiceAccountToken; elsewhere, leave --scale-statefulset out.",
                inner: exception);
        }
    }

    /// <summary>The token as it is now; never cached, since Kubernetes replaces it about every hour.</summary>
    /// <exception cref="KubernetesException">It cannot be read.</exception>
    public string Token()
    {
        try
        {
            if (new FileInfo(_tokenPath) is { Exists: true, Length: > MaxTokenBytes } file)
                throw new KubernetesException($"The service account's token {_tokenPath} has {file.Length} bytes; {MaxTokenBytes} are allowed.");
            var token = File.ReadAllText(_tokenPath).Trim();
            return token.Length > 0 && token.All(c => c is > ' ' and <= '~')
                ? token
                : throw new KubernetesException($"The service account's token {_tokenPath} is empty, or has characters other than printable ASCII.");
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new KubernetesException($"The service account's token {_tokenPath} cannot be read: {exception.Message}", inner: exception);
        }
    }

    /// <summary>Checks what can be checked without a cluster.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static void Check(ScalingOptions options)
    {
        const int Most = 10_000;
        CheckName("The StatefulSet to scale", options.StatefulSet);
        if (options.Namespace is { } space)
            CheckName("The namespace of the StatefulSet", space);
        if (options.Minimum is < 0 or > Most)
            throw new ArgumentException($"The fewest workers are {options.Minimum}; 0 to {Most} are allowed.");
        if (options.Maximum < Math.Max(1, options.Minimum) || options.Maximum > Most)
            throw new ArgumentException($"The most workers are {options.Maximum}; {Math.Max(1, options.Minimum)} to {Most} are allowed, with {options.Minimum} as the fewest.");
        if (options.SlotsPerWorker is < 1 or > 1024)
            throw new ArgumentException($"Slots of one worker are {options.SlotsPerWorker}; 1 to 1024 are allowed.");
        if (options.IdleTime < TimeSpan.Zero || options.IdleTime > TimeSpan.FromDays(30))
            throw new ArgumentException($"The idle time before a worker is given up is {options.IdleTime.TotalSeconds} s; 0 s to 30 days are allowed.");
    }

    private static Uri ServerOfPod(Func<string, string?> environment)
    {
        const string Host = "KUBERNETES_SERVICE_HOST";
        const string Port = "KUBERNETES_SERVICE_PORT";
        if (environment(Host) is not { Length: > 0 } host || environment(Port) is not { Length: > 0 } port)
            throw new KubernetesException($"Workers can be scaled by a coordinator in a pod only: {Host} and {Port} are not set. Leave --scale-statefulset out elsewhere.");
        var text = host.Contains(':') ? $"https://[{host}]:{port}" : $"https://{host}:{port}";
        return Uri.TryCreate(text, UriKind.Absolute, out var server)
            ? server
            : throw new KubernetesException($"{Host} and {Port} are '{host}' and '{port}'; they are no address.");
    }

    private static void CheckName(string what, string name)
    {
        const int Longest = 253;
        if (name.Length is 0 or > Longest || !name.All(c => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c) || c is '-' or '.')
            || !char.IsAsciiLetterOrDigit(name[0]) || !char.IsAsciiLetterOrDigit(name[^1]))
        {
            throw new ArgumentException($"{what} is '{name}'; a name of 1 to {Longest} of a-z, 0-9, '-' and '.' is needed that begins and ends with a letter or digit.");
        }
    }
}
