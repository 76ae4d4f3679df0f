namespace Linformer.Protocol;

/// <summary>One thing that is wrong with a job file.</summary>
/// <param name="File">The file's name as it was given.</param>
/// <param name="Line">Line from 1, where known.</param>
/// <param name="Column">Column from 1, where known.</param>
/// <param name="Path">The field, for example model.heads; empty for the file as a whole.</param>
/// <param name="Message">What is wrong with which value, and what is allowed.</param>
public sealed record JobFileError(string File, int? Line, int? Column, string Path, string Message)
{
    /// <summary>The error in one line: <c>job.yaml:12:10: model.heads: 3 …</c>.</summary>
    public override string ToString()
    {
        var place = Line is null ? File : $"{File}:{Line}:{Column}";
        return Path.Length == 0 ? $"{place}: {Message}" : $"{place}: {Path}: {Message}";
    }
}

/// <summary>A job file that cannot be used; the message has one line for each error.</summary>
public sealed class JobFileException : Exception
{
    /// <summary>Makes the exception of one or more errors.</summary>
    public JobFileException(IReadOnlyList<JobFileError> errors)
        : base(string.Join('\n', errors)) => Errors = errors;

    /// <summary>Everything that is wrong, in the order of the file.</summary>
    public IReadOnlyList<JobFileError> Errors { get; }
}

/// <summary>What came of reading a job file: the job, or everything that is wrong with the file.</summary>
/// <param name="Job">The job with its defaults resolved; null if there are errors.</param>
/// <param name="Errors">All errors, in the order of the file.</param>
public sealed record JobFileResult(JobFile? Job, IReadOnlyList<JobFileError> Errors)
{
    /// <summary>The job.</summary>
    /// <exception cref="JobFileException">There are errors.</exception>
    public JobFile OrThrow() => Job ?? throw new JobFileException(Errors);
}
