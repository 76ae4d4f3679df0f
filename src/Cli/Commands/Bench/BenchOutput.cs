using System.Text.Json;
using System.Text.Json.Nodes;
using Linformer.Bench;

namespace Linformer.Cli.Commands.Bench;

/// <summary>How benchmarks tell what they have measured.</summary>
internal static class BenchOutput
{
    /// <summary>Writes tables for people; for programs the numbers, and the tables beside them.</summary>
    /// <param name="context">How to write.</param>
    /// <param name="result">The numbers.</param>
    /// <param name="tables">The tables.</param>
    public static void Write<T>(CommandContext context, T result, IReadOnlyList<BenchTable> tables)
    {
        if (context.Format == OutputFormat.Json)
        {
            var json = JsonSerializer.SerializeToNode(result, CommandContext.JsonOptions)!.AsObject();
            json["tables"] = JsonSerializer.SerializeToNode(tables, CommandContext.JsonOptions) as JsonArray;
            context.Output.WriteLine(json.ToJsonString(CommandContext.JsonOptions));
            return;
        }

        foreach (var table in tables)
        {
            table.WriteText(context.Output);
            context.Output.WriteLine();
        }
    }

    /// <summary>Measures; what cannot be measured, since a program is missing or fails, is an error that says so.</summary>
    public static async Task<T> CatchingAsync<T>(Func<Task<T>> measure)
    {
        try
        {
            return await measure();
        }
        catch (Exception error) when (error is InvalidOperationException or TimeoutException or System.ComponentModel.Win32Exception)
        {
            throw new CommandException(error.Message);
        }
    }
}
