using System.Globalization;

namespace Linformer.Protocol.Wire;

/// <summary>
/// The version of the protocol between people, agents and the coordinator. It goes up with what an old peer could not go on with;
/// a program speaks the versions of the releases before it, too, for as long as they are upgraded one after the other.
/// </summary>
public static class ProtocolVersion
{
    /// <summary>The oldest version that this program speaks.</summary>
    public const int Oldest = 2;

    /// <summary>The newest version that this program speaks, which it says of itself.</summary>
    public const int Current = 2;

    /// <summary>The versions in words, for messages.</summary>
    public static string Spoken { get; } = Range(Oldest, Current);

    /// <summary>Whether this program speaks a version.</summary>
    public static bool IsSpoken(int version) => version is >= Oldest and <= Current;

    /// <summary>Whether this program speaks a version that is written as a number in decimal.</summary>
    public static bool IsSpoken(string version) =>
        int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && IsSpoken(number);

    private static string Range(int oldest, int newest) => oldest == newest
        ? string.Create(CultureInfo.InvariantCulture, $"version {newest}")
        : string.Create(CultureInfo.InvariantCulture, $"versions {oldest} to {newest}");
}
