namespace Linformer.Protocol.Tests;

internal static class Repository
{
    public static string Root { get; } = FindRoot();

    private static string FindRoot()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Linformer.sln")))
                return folder;
        }
        throw new InvalidOperationException("The tests run outside of the repository.");
    }
}
