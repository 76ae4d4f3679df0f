namespace Linformer.Protocol;

/// <summary>Makes a <see cref="JobFile"/> of a YAML tree, and notes everything that is wrong on the way.</summary>
internal sealed class JobFileBinder
{
    private const int MaxErrors = 100;

    private readonly string _fileName;
    private readonly List<JobFileError> _errors = [];
    private readonly Dictionary<string, YamlNode> _given = new(StringComparer.Ordinal);
    private readonly HashSet<string> _invalid = new(StringComparer.Ordinal);

    private JobFileBinder(string fileName) => _fileName = fileName;

    /// <summary>Binds and validates the root of a job file.</summary>
    public static JobFileResult Bind(YamlMapping root, string fileName, bool cuda)
    {
        var binder = new JobFileBinder(fileName);
        var job = InferenceJobs.Derive((JobFile)binder.BindSection(root, JobFileSchema.Root, Activator.CreateInstance<JobFile>()));
        binder.CheckRules(job, cuda);
        if (binder._errors.Count == 0)
            return new JobFileResult(job, []);
        var errors = binder._errors.OrderBy(error => error.Line).ThenBy(error => error.Column).ToList();
        if (errors.Count > MaxErrors)
        {
            var rest = errors.Count - MaxErrors;
            errors.RemoveRange(MaxErrors, rest);
            errors.Add(new JobFileError(fileName, null, null, "", $"and {rest:#,0} more errors"));
        }
        return new JobFileResult(null, errors);
    }

    private object BindSection(YamlMapping mapping, SectionSchema schema, object section)
    {
        var first = new Dictionary<string, YamlScalar>(StringComparer.Ordinal);
        foreach (var (key, value) in mapping.Entries)
        {
            if (schema.Find(key.Text) is not { } field)
                Error(key, Join(schema.Path, Texts.Show(key.Text).Trim('\'')), UnknownField(key.Text, schema));
            else if (!first.TryAdd(key.Text, key))
                Error(key, field.Path, $"is given twice; the first is in line {first[key.Text].Line}");
            else
                _given[field.Path] = value;
        }

        if (section is ModelSection)
            section = PresetOf(schema);
        foreach (var field in schema.Fields)
        {
            if (_given.TryGetValue(field.Path, out var node))
                BindField(node, field, section);
            else if (field.Required && (field.ValueType != typeof(CorpusSection) || TaskOf(schema).NeedsCorpus()))
                Missing(mapping, field);
        }
        return section;
    }

    // The preset decides the defaults of the other fields, so it is read before them.
    private ModelSection PresetOf(SectionSchema schema) =>
        _given.TryGetValue(schema.Find("preset")!.Path, out var node)
        && node is YamlScalar scalar
        && ModelPresets.TryGet(scalar.Text, out var preset)
            ? preset with { }
            : new ModelSection();

    // The task decides whether there must be a corpus. One that is wrong is told of; what it would have needed is not known.
    private JobTask TaskOf(SectionSchema root)
    {
        var task = root.Find("task")!;
        return _given.GetValueOrDefault(task.Path) is YamlScalar scalar
            ? task.Choices.Where(choice => choice.Name == scalar.Text).Select(choice => (JobTask)choice.Value).FirstOrDefault()
            : default;
    }

    private void BindField(YamlNode node, FieldSchema field, object section)
    {
        var before = _errors.Count;
        var value = field.Kind == FieldKind.Section
            ? node is YamlMapping mapping
                ? BindSection(mapping, field.Section!, Activator.CreateInstance(field.Section!.Type)!)
                : Error(node, field.Path, $"{JobFileValues.Describe(node)}, not a mapping of fields; allowed are the {field.Allowed()}")
            : JobFileValues.Read(node, field, Error);
        if (_errors.Count > before)
            _invalid.Add(field.Path);
        if (value is not null)
            field.Property.SetValue(section, value == JobFileValues.Auto ? null : value);
    }

    private void Missing(YamlMapping mapping, FieldSchema field)
    {
        _invalid.Add(field.Path);
        if (field.Section is null)
            Error(mapping, field.Path, $"is missing; it takes {field.Allowed()}");
        else
            Error(mapping, field.Path, $"is missing; it needs {string.Join(", ", field.Section.Fields.Where(inner => inner.Required).Select(inner => inner.Path))}");
    }

    private void CheckRules(JobFile job, bool cuda)
    {
        var facts = new JobFacts(job, _given.ContainsKey, cuda);
        foreach (var rule in JobFileRules.All)
        {
            if (rule.Fields.Any(path => _invalid.Contains(path)) || rule.Check(facts) is not { } message)
                continue;
            var place = rule.Fields.Select(path => _given.GetValueOrDefault(path)).FirstOrDefault(node => node is not null);
            Error(place, rule.Fields[0], message);
        }
    }

    private string UnknownField(string name, SectionSchema schema)
    {
        // Suggestions cost time; a file with so many errors is not a job file with a slip in it.
        if (_errors.Count > MaxErrors)
            return "is unknown";
        var names = schema.Fields.Select(field => field.Name);
        var meant = JobFileSchema.AllFields().FirstOrDefault(field => field.Name == name)?.Path ?? Texts.Nearest(name, names);
        var allowed = $"allowed here: {string.Join(", ", names)}";
        return meant is null ? $"is unknown; {allowed}" : $"is unknown; did you mean {meant}? ({allowed})";
    }

    private object? Error(YamlNode? node, string path, string message)
    {
        _errors.Add(new JobFileError(_fileName, node?.Line, node?.Column, path, message));
        return null;
    }

    private static string Join(string section, string name) => section.Length == 0 ? name : $"{section}.{name}";
}
