using System.Globalization;

namespace Linformer.Worker.Machines;

/// <summary>CUDA_VISIBLE_DEVICES: which GPUs a process sees.</summary>
public static class VisibleDevices
{
    /// <summary>The variable.</summary>
    public const string Variable = "CUDA_VISIBLE_DEVICES";

    /// <summary>The GPUs that the variable names, by number or by the beginning of the UUID, up to the first entry that is none, as CUDA reads it.</summary>
    /// <param name="all">The machine's GPUs.</param>
    /// <param name="variable">The variable; null when it is not set.</param>
    public static IReadOnlyList<Gpu> Of(IReadOnlyList<Gpu> all, string? variable)
    {
        if (variable is null)
        {
            return all;
        }

        var visible = new List<Gpu>();
        foreach (var entry in variable.Split(',', StringSplitOptions.TrimEntries))
        {
            if (Find(all, entry) is not { } gpu || visible.Contains(gpu))
            {
                break;
            }

            visible.Add(gpu);
        }

        return visible;
    }

    private static Gpu? Find(IReadOnlyList<Gpu> all, string entry)
    {
        if (int.TryParse(entry, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            return number < all.Count ? all[number] : null;
        }

        if (!entry.StartsWith("GPU-", StringComparison.Ordinal))
        {
            return null;
        }

        var named = all.Where(gpu => gpu.Uuid.StartsWith(entry, StringComparison.Ordinal)).ToList();
        return named.Count == 1 ? named[0] : null;
    }
}
