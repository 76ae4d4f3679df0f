namespace Linformer.Coordinator.Hosting;

/// <summary>What other machines can do to this coordinator, by its options.</summary>
internal static class Exposure
{
    /// <summary>Refuses to serve other machines without asking them for anything, unless that was asked for in so many words.</summary>
    /// <exception cref="ArgumentException">It would.</exception>
    public static void Check(CoordinatorOptions options, IReadOnlyList<ListenAddress> listen)
    {
        if (options.Authentication != AuthenticationMode.Never || Reachable(listen) is not { Length: > 0 } reachable)
            return;
        throw new ArgumentException(
            $"Other machines reach {reachable}, and Authentication is {nameof(AuthenticationMode.Never)}: whoever reached the port would be an admin. "
            + $"Listen on localhost, use {nameof(AuthenticationMode.FromNetwork)} or {nameof(AuthenticationMode.Always)} (--authentication network or always), "
            + $"or say {nameof(AuthenticationMode.NeverEvenFromNetwork)} (--authentication never-even-from-network) if that is meant.",
            nameof(options));
    }

    /// <summary>What an operator should know at the start.</summary>
    public static IEnumerable<string> Warnings(CoordinatorOptions options, IReadOnlyList<ListenAddress> listen)
    {
        if (Reachable(listen) is not { Length: > 0 } reachable)
            yield break;
        if (options.Authentication == AuthenticationMode.NeverEvenFromNetwork)
            yield return $"NO AUTHENTICATION: whoever reaches {reachable} is an admin, and may run jobs on every worker. Use --authentication network to ask for tokens.";
        if (options.Certificate is null)
            yield return $"NO TLS: what goes over {reachable} is not encrypted, tokens included, and whoever is on the way can read and use them. Give a certificate with --tls-certificate FILE --tls-key FILE ('linformer certificates' makes one).";
        if (IsBelow(options.DataFolder, options.AdminTokenFile ?? options.CoordinatorFolder))
            yield return $"The admin's token is on the storage root {options.DataFolder}, where it is read by whoever has the workers' account on any of their machines. Keep it elsewhere: --coordinator-folder DIR or --admin-token-file FILE.";
    }

    private static bool IsBelow(string folder, string path) =>
        Path.GetFullPath(path).StartsWith(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder)) + Path.DirectorySeparatorChar, StringComparison.Ordinal);

    private static string Reachable(IReadOnlyList<ListenAddress> listen) => string.Join(", ", listen.Where(address => !address.IsLoopback));
}
