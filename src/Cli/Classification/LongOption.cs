using System.CommandLine;
using Linformer.Data.Labelled;

namespace Linformer.Cli.Classification;

/// <summary><c>--long</c>: what is done with texts that are longer than a model reads.</summary>
internal static class LongOption
{
    /// <summary>The option.</summary>
    public static Option<LongDocuments> Create() => new("--long")
    {
        Description = "What to do with a text that is longer than the model reads: an error, read its beginning, or average over windows",
        DefaultValueFactory = _ => LongDocuments.Error,
    };
}
