namespace Linformer.Cli.Cluster;

/// <summary>Where the coordinators of a cluster answer: one of them is active, the others stand by.</summary>
public sealed class CoordinatorAddresses
{
    private CoordinatorAddresses(IReadOnlyList<CoordinatorAddress> all) => All = all;

    /// <summary>The addresses in the order in which they are tried; at least one.</summary>
    public IReadOnlyList<CoordinatorAddress> All { get; }

    /// <summary>The addresses for a sentence: <c>a:7070, b:7070 or c:7070</c>.</summary>
    public string Words => All.Count == 1 ? $"{All[0]}" : $"{string.Join(", ", All.SkipLast(1))} or {All[^1]}";

    /// <summary>One address.</summary>
    public static CoordinatorAddresses Of(CoordinatorAddress address) => new([address]);

    /// <summary>The same addresses, with TLS wherever the user did not write a scheme.</summary>
    public CoordinatorAddresses WithTls() => new([.. All.Select(address => address with { Scheme = address.Scheme ?? Uri.UriSchemeHttps })]);

    /// <summary>Reads <c>HOST:PORT</c> or <c>https://HOST:PORT</c>, or several of these between commas.</summary>
    /// <param name="text">What the user wrote.</param>
    /// <returns>The addresses, or null if one of them is none.</returns>
    public static CoordinatorAddresses? Parse(string text)
    {
        var all = text.Split(',', StringSplitOptions.TrimEntries).Select(CoordinatorAddress.Parse).OfType<CoordinatorAddress>().ToList();
        return all.Count == text.Count(c => c == ',') + 1 ? new CoordinatorAddresses([.. all.Distinct()]) : null;
    }

    /// <summary>The addresses as they are given to a command: <c>a:7070,b:7070</c>.</summary>
    public override string ToString() => string.Join(',', All);
}
