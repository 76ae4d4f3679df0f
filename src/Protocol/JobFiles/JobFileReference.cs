using System.Globalization;
using System.Text;

namespace Linformer.Protocol;

/// <summary>
/// Writes docs/job-file.md. Types, defaults and ranges come from the schema, meanings from the summaries of the
/// records, the example from examples/small.yaml.
/// </summary>
public static class JobFileReference
{
    /// <summary>The page, as Markdown.</summary>
    /// <exception cref="FileNotFoundException">The XML documentation of this assembly is not beside it.</exception>
    public static string ToMarkdown()
    {
        var summaries = JobFileSummaries.Read();
        var page = new StringBuilder();
        page.Append(
            """
            # The job file

            <!-- Written by `./linformer job-file-docs > docs/job-file.md`; a test compares the two. -->

            A job file says what to train, on which text, and how. It is YAML or JSON in UTF-8, at most 1 MiB, one document,
            without anchors, aliases and tags. Only `name` and `corpus.files` are required, with
            `task: plugin` only `name` and `plugin.assembly`. An unknown field, a wrong type or a
            value out of range is an error that names the field, the value and what is allowed; all errors of a file are shown
            at once.

            The same as a JSON Schema (draft 2020-12), for editors that complete and check while one types, comes from
            `./linformer job-file-schema > job-file.schema.json`; a first line
            `# yaml-language-server: $schema=job-file.schema.json` in the job file makes editors with a YAML language server use it.
            What must hold between fields it does not know: `./linformer submit --dry-run` checks all.


            """);
        page.Append("```yaml\n").Append(JobFilePresets.Get("small").Yaml).Append("```\n");
        AppendSection(page, JobFileSchema.Root, summaries);
        AppendPresets(page);
        AppendSettled(page);
        AppendRules(page, "Rules between fields", JobFileRules.BetweenFields);
        AppendPaths(page);
        AppendRules(page, "Not available yet", JobFileRules.NotYet);
        return page.ToString();
    }

    private static void AppendSection(StringBuilder page, SectionSchema section, JobFileSummaries summaries)
    {
        page.Append(section.Path.Length == 0 ? "\n## Top level\n\n" : $"\n## `{section.Path}`\n\n");
        page.Append("| field | default | allowed | meaning |\n|---|---|---|---|\n");
        foreach (var field in section.Fields)
        {
            var allowed = field.Section is not null ? $"see [`{field.Path}`](#{Anchor(field.Path)})" : Allowed(field);
            page.Append($"| `{field.Name}` | {Default(field)} | {allowed} | {summaries.Of(field)} |\n");
        }
        foreach (var field in section.Fields)
        {
            if (field.Section is not null)
                AppendSection(page, field.Section, summaries);
        }
    }

    private static void AppendPresets(StringBuilder page)
    {
        string[] names = ["layers", "heads", "hidden", "feedForward", "sequenceLength", "projectedLength"];
        var fields = names.Select(name => JobFileSchema.Root.Find("model")!.Section!.Find(name)!).ToArray();
        page.Append("\n## Presets\n\n");
        page.Append($"| `preset` | {string.Join(" | ", fields.Select(field => $"`{field.Name}`"))} |\n");
        page.Append("|---|").Insert(page.Length, "---|", fields.Length).Append('\n');
        foreach (var preset in ModelPresets.All)
            page.Append($"| `{preset.Preset}` | {string.Join(" | ", fields.Select(field => field.Property.GetValue(preset)))} |\n");
    }

    private static void AppendSettled(StringBuilder page)
    {
        page.Append(
            """

            ## What the machines settle

            What a file leaves at `auto` is settled once, when the job is submitted, and stored with it: the numbers that come out of a
            step depend on it, so it no longer depends on where the job runs, grows or is resumed. `submit --dry-run` and the dashboard's
            form say what it comes to, `show` what a job has. `./linformer train` asks this machine, and `--resume` keeps what the job
            had before.

            `precision: auto` is bf16 if each slot that the job may get, by its `device`, multiplies bf16 in hardware: a processor with
            AVX512_BF16, or with AMX_BF16 that the operating system lets programs use, or a GPU of compute capability 8.0 or more.
            `./linformer workers` shows which do. If one does not, or no worker was ever seen, it is fp32, which runs everywhere. A job
            that says `bf16` runs on any worker, slowly on one without the hardware, which is told at submission.

            `microBatch: auto` is the largest divisor of `globalBatch` with which a micro-batch has at most 8,192 tokens on CPUs and 32,768
            on GPUs, each of `ranks.max` ranks has one and none has over an eighth more to do than with micro-batches of one, and
            what a rank takes by the estimate of `--dry-run` fits in three quarters of the smallest slot that the job may get: the GPU's
            memory, or the worker's divided by its slots. Where no worker tells, that is 4 GiB. If nothing fits, it is 1.

            """);
    }

    private static void AppendPaths(StringBuilder page) => page.Append(
        """

        ## Paths

        `corpus.files`, `corpus.tokenizer.file`, `plugin.assembly`, `inference.model`, `inference.output` and `initializeFrom` are relative to the storage root: the folder that the
        coordinator and all workers share (`--data`), and for `./linformer train` its own `--data`. An absolute path, a `~`,
        a backslash and `..` are errors as soon as the file is read, also at submission.

        What is read must lie under the storage root with every symbolic link followed. A link inside the root may lead anywhere
        inside it; one that leads out is an error that names the path, where it leads and the root. The root itself may be a link,
        and so may a folder above it. `**` does not go into linked folders. To use a corpus that lies elsewhere, copy it, mount it
        or bind-mount it under the root, or take the folder that holds it as `--data`.

        These rules are the same for `./linformer train` and for a cluster, so that a job that runs on a laptop runs on the
        cluster. On a cluster the workers also refuse a job whose folders of runs, checkpoints, logs, shards or models lead out of
        the root; `train` takes these as they are, so there `jobs` or `models` may be a link to another disk.

        """);

    private static void AppendRules(StringBuilder page, string title, IReadOnlyList<JobFileRule> rules)
    {
        page.Append($"\n## {title}\n\n");
        foreach (var rule in rules)
            page.Append($"- {rule.Text}\n");
    }

    private static string Allowed(FieldSchema field)
    {
        var allowed = field.Kind is FieldKind.Choice or FieldKind.Flag || field.Limits.Format == TextFormat.Preset
            ? string.Join(", ", field.Allowed().Split(", ").Select(name => $"`{name}`"))
            : field.Limits.MayBeAuto ? $"`{FieldAttribute.Auto}`{field.Allowed()[FieldAttribute.Auto.Length..]}" : field.Allowed();
        return field.Limits.Unit is { } unit ? $"{allowed} ({unit})" : allowed;
    }

    private static string Default(FieldSchema field)
    {
        if (field.Required)
            return "required";
        if (field.Limits.Default is { } words)
            return words == "preset" ? "by preset" : field.Kind == FieldKind.Choice ? $"`{words}`" : words;
        return field.Default switch
        {
            null => "none",
            FreeFields free => $"`{free.Json}`",
            _ when field.Section is not null => "all defaults",
            Enum choice => $"`{JobFileSchema.ChoiceName(choice)}`",
            bool flag => flag ? "`true`" : "`false`",
            string text => $"`{text}`",
            double number => number.ToString(number != 0 && Math.Abs(number) < 1e-3 ? "0e+0" : "R", CultureInfo.InvariantCulture),
            IEnumerable<double> numbers => $"`[{string.Join(", ", numbers)}]`",
            var value => Convert.ToString(value, CultureInfo.InvariantCulture)!,
        };
    }

    private static string Anchor(string path) => path.Replace(".", "", StringComparison.Ordinal).ToLowerInvariant();
}
