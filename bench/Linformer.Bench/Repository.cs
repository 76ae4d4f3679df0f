namespace Linformer.Bench;

/// <summary>The folder of the sources, from which benchmarks build and run their peers.</summary>
public static class Repository
{
    /// <summary>Its path.</summary>
    /// <exception cref="InvalidOperationException">This program does not run from inside it.</exception>
    public static string Root()
    {
        for (var folder = AppContext.BaseDirectory; folder is not null; folder = Path.GetDirectoryName(folder))
        {
            if (File.Exists(Path.Combine(folder, "Linformer.sln")))
            {
                return folder;
            }
        }

        throw new InvalidOperationException($"The peers of this benchmark are not found: {AppContext.BaseDirectory} is not inside the repository.");
    }
}
