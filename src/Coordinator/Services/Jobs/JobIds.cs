using System.Security.Cryptography;

namespace Linformer.Coordinator.Services.Jobs;

/// <summary>Makes ids of jobs: the name and five letters or digits that are hard to mistake for each other.</summary>
internal static class JobIds
{
    private const string Alphabet = "abcdefghijklmnopqrstuvwxyz234567";
    private const int Length = 5;

    /// <summary>A new id, which may be taken.</summary>
    public static string Make(string name) => $"{name}-{RandomNumberGenerator.GetString(Alphabet, Length)}";
}
